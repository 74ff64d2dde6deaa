//! Keys that interrupted runs may have created.

use std::{fmt, time::Duration};

use jwt::UnixTime;

use crate::{KeyMetadata, KeyState};

/// An enabled key with the ring's tag and without an alias, which an interrupted run may have created. Its `Display`
/// tells the operator what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The key.
    pub key: KeyMetadata,
}

impl Leftover {
    /// A key with the ring's tag and without an alias as a leftover. `None` if it is not enabled, or so young that a run
    /// may be about to give it an alias.
    pub(crate) fn new(key: KeyMetadata, now: UnixTime) -> Option<Self> {
        let is_leftover = key.state == KeyState::Enabled && key.created.after(MIN_AGE) <= now;
        is_leftover.then_some(Self { key })
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.key.id;
        write!(
            f,
            "{id} has the ring's tag and no alias: an interrupted run may have created it. If CloudTrail \
             shows no use of it, disable it with `aws kms disable-key --key-id {id}`"
        )
    }
}

const MIN_AGE: Duration = Duration::from_mins(15);
