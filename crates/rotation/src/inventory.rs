use aws_sdk_kms::Client;
use jwt::UnixTime;

use crate::{
    KeyMetadata, KeyState, RingName,
    account::{Aliases, aliases, describe, unnamed},
    state::{NEXT, PREVIOUS},
};
use kms::Fault;

/// A key of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingKey {
    /// The ring's name.
    pub ring: String,
    /// What the key is there.
    pub role: KeyRole,
    /// Since when, if it has an alias.
    pub since: Option<UnixTime>,
    /// The key.
    pub key: KeyMetadata,
}

/// What a key is in its ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// It signs.
    Current,
    /// It is published, and will sign.
    Next,
    /// It has signed, and its tokens may live.
    Previous,
    /// It was made for the ring, and has no alias: left by an interrupted prepare, or by hand.
    Unused,
    /// It was withdrawn.
    Retired,
}

impl KeyRole {
    /// A name that stays.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
            Self::Previous => "previous",
            Self::Unused => "unused",
            Self::Retired => "retired",
        }
    }
}

/// The keys of every ring; or of one, and then those too that were withdrawn from it or never came
/// to be used.
///
/// # Errors
/// When KMS cannot be asked.
pub async fn list(client: &Client, ring: Option<&RingName>) -> Result<Vec<RingKey>, Fault> {
    let aliases = aliases(client).await?;
    let mut entries = Vec::new();
    for (alias, (key, since)) in &aliases {
        let (name, role) = of(alias, &aliases);
        if alias.starts_with("alias/aws/") || ring.is_some_and(|ring| ring.current() != name) {
            continue;
        }
        let key = describe(client, key).await?;
        // Whoever names a ring wants to know what is wrong with it.
        if ring.is_some() || !key.algorithms().is_empty() {
            entries.push(RingKey { ring: name.to_owned(), role, since: *since, key });
        }
    }
    if let Some(ring) = ring {
        for key in unnamed(client, ring, &aliases).await? {
            let enabled = key.state == KeyState::Enabled;
            let role = if enabled { KeyRole::Unused } else { KeyRole::Retired };
            entries.push(RingKey { ring: ring.current().to_owned(), role, since: None, key });
        }
    }
    entries.sort_by(|one, other| (&one.ring, one.role as u8).cmp(&(&other.ring, other.role as u8)));
    Ok(entries)
}

/// The ring that an alias belongs to: `-next` and `-previous` to the one that they stand beside, if it
/// is there.
fn of<'a>(alias: &'a str, aliases: &Aliases) -> (&'a str, KeyRole) {
    let beside = [(NEXT, KeyRole::Next), (PREVIOUS, KeyRole::Previous)];
    let mut rings =
        beside.into_iter().filter_map(|(suffix, role)| Some((alias.strip_suffix(suffix)?, role)));
    let ring = rings.find(|(ring, _)| aliases.contains_key(*ring));
    ring.unwrap_or((alias, KeyRole::Current))
}
