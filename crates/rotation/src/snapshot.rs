//! The state of a ring at one time.

use std::time::Duration;

use crate::{RingState, RotationError, account::Aliases};
use kms::SuspendAwareInstant;

/// The state of a ring, read from KMS. A step must be performed within a minute of it; after that,
/// [`RotationError::SnapshotExpired`].
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The aliases of the ring and their keys.
    pub state: RingState,
    pub(crate) aliases: Aliases,
    /// The time before the first request, because a response may be delayed.
    pub(crate) taken_at: SuspendAwareInstant,
}

impl Snapshot {
    /// Must be called before each request that changes something: another run may have changed the ring since.
    pub(crate) fn expect_fresh(&self) -> Result<(), RotationError> {
        if self.taken_at.elapsed() > MAX_AGE { Err(RotationError::SnapshotExpired) } else { Ok(()) }
    }
}

const MAX_AGE: Duration = Duration::from_mins(1);
