//! The inventory: the keys of all rings, or of one.

use aws_sdk_kms::Client;
use jwt::UnixTime;

use crate::{
    KeyMetadata, KeyState, RingName,
    account::{Aliases, describe_key, keys_without_alias, list_aliases},
    ring_name::{NEXT, PREVIOUS},
};
use kms::Fault;

/// A key of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingKey {
    /// The name of the ring, `alias/NAME`.
    pub ring: String,
    /// The role of the key in the ring.
    pub role: KeyRole,
    /// The time since which the alias points at the key. `None` if the key has no alias.
    pub since: Option<UnixTime>,
    /// The key.
    pub key: KeyMetadata,
}

/// The role of a key in its ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// The key under `alias/NAME`: it signs.
    Current,
    /// The key under `-next`: it is published and will sign.
    Next,
    /// The key under `-previous`: it has signed, and its tokens may not have expired.
    Previous,
    /// An enabled key with the ring's tag and without an alias, created by an interrupted prepare or by hand.
    Leftover,
    /// A key with the ring's tag and without an alias that is disabled or pending deletion.
    Retired,
}

impl KeyRole {
    /// The stable name of the role in output and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
            Self::Previous => "previous",
            Self::Leftover => "leftover",
            Self::Retired => "retired",
        }
    }
}

/// Lists the keys of every ring, or of one ring. The list of one ring also has its keys without an alias
/// ([`KeyRole::Leftover`], [`KeyRole::Retired`]) and its keys that do not sign tokens.
///
/// # Errors
/// If KMS fails.
pub async fn list(client: &Client, ring: Option<&RingName>) -> Result<Vec<RingKey>, Fault> {
    let aliases = list_aliases(client).await?;
    let mut keys = Vec::new();
    for (alias, (key, since)) in &aliases {
        let (name, role) = ring_and_role(alias, &aliases);
        if alias.starts_with("alias/aws/") || ring.is_some_and(|ring| ring.current() != name) {
            continue;
        }
        let key = describe_key(client, key).await?;
        if ring.is_some() || !key.algorithms().is_empty() {
            keys.push(RingKey { ring: name.to_owned(), role, since: *since, key });
        }
    }
    if let Some(ring) = ring {
        for key in keys_without_alias(client, ring, &aliases).await? {
            let is_enabled = key.state == KeyState::Enabled;
            let role = if is_enabled { KeyRole::Leftover } else { KeyRole::Retired };
            keys.push(RingKey { ring: ring.current().to_owned(), role, since: None, key });
        }
    }
    keys.sort_by(|one, other| (&one.ring, one.role as u8).cmp(&(&other.ring, other.role as u8)));
    Ok(keys)
}

/// The ring and the role of an alias. An alias with a suffix is a separate ring if the alias without the suffix does
/// not exist.
fn ring_and_role<'a>(alias: &'a str, aliases: &Aliases) -> (&'a str, KeyRole) {
    let suffixes = [(NEXT, KeyRole::Next), (PREVIOUS, KeyRole::Previous)];
    let mut rings =
        suffixes.into_iter().filter_map(|(suffix, role)| Some((alias.strip_suffix(suffix)?, role)));
    let ring = rings.find(|(ring, _)| aliases.contains_key(*ring));
    ring.unwrap_or((alias, KeyRole::Current))
}
