//! The state of a ring: its aliases and their keys.

use jwt::UnixTime;

use crate::KeyMetadata;

/// The three aliases of a ring, as read from KMS. `ListAliases` is eventually consistent, so the state may be some
/// minutes old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingState {
    /// `alias/NAME`, whose key signs.
    pub current: AliasTarget,
    /// `alias/NAME-next`. `None` if the alias does not exist.
    pub next: Option<AliasTarget>,
    /// `alias/NAME-previous`. `None` if the alias does not exist.
    pub previous: Option<AliasTarget>,
}

/// The key that an alias points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasTarget {
    /// The key.
    pub key: KeyMetadata,
    /// The time since which the alias points at the key.
    pub since: UnixTime,
}
