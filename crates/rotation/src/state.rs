//! The state of a ring: its aliases and their keys.

use jwt::UnixTime;

use crate::{KeyMetadata, KeyState, Obstacle, RotationError, RotationTiming, Step};

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

impl RingState {
    /// The key that signs after a rollback: the previous key.
    ///
    /// # Errors
    /// [`RotationError::NotPromoted`] if the ring was not promoted since its last retirement,
    /// [`RotationError::RetirementDue`] if another run may be about to retire the previous key, and
    /// [`Obstacle::NotEnabled`] if the previous key is not enabled.
    pub fn rollback_target(
        &self,
        now: UnixTime,
        timing: &RotationTiming,
    ) -> Result<&KeyMetadata, RotationError> {
        let Self { current, next: Some(next), previous: Some(previous) } = self else {
            return Err(RotationError::NotPromoted);
        };
        if next.key.id != current.key.id || previous.key.id == current.key.id {
            return Err(RotationError::NotPromoted);
        }
        // Another run may retire the key as long as it can read the aliases as they were before the rollback.
        let retirement = current.since.max(previous.since).after(timing.retirement());
        if now.after(timing.propagation()) >= retirement {
            return Err(RotationError::RetirementDue);
        }
        match previous.key.state {
            KeyState::Enabled => Ok(&previous.key),
            state => {
                let id = previous.key.id.clone();
                Err(Obstacle::NotEnabled { alias: "-previous", id, state }.into())
            }
        }
    }

    /// The state after this step was performed at `now`. `key` is the key that the step created, promoted or retired.
    #[must_use]
    pub fn after(self, step: &Step, key: &KeyMetadata, now: UnixTime) -> Self {
        let target = |key: &KeyMetadata| Some(AliasTarget { key: key.clone(), since: now });
        match step {
            Step::Complete(current) => Self {
                next: self.next.or_else(|| target(current)),
                previous: self.previous.or_else(|| target(current)),
                ..self
            },
            Step::Prepare(_) => Self { next: target(key), ..self },
            Step::Promote(_) => {
                Self { current: AliasTarget { key: key.clone(), since: now }, ..self }
            }
            Step::Retire(_) => Self { previous: target(&self.current.key), ..self },
        }
    }
}

/// The key that an alias points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasTarget {
    /// The key.
    pub key: KeyMetadata,
    /// The time since which the alias points at the key.
    pub since: UnixTime,
}
