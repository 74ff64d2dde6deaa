//! Returns a ring to its previous key after a promotion.

use jwt::UnixTime;

use crate::{
    KeyMetadata, KeyState, Obstacle, RingState, Rotation, RotationError, RotationTiming, Snapshot,
};

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
}

impl Rotation {
    /// Points `alias/NAME` back at the previous key. Both keys stay in the ring, so that no token becomes invalid.
    ///
    /// # Errors
    /// As for [`RingState::rollback_target`](crate::RingState::rollback_target) and [`Self::execute`].
    pub async fn roll_back(
        &self,
        snapshot: &Snapshot,
        now: UnixTime,
        timing: &RotationTiming,
    ) -> Result<KeyMetadata, RotationError> {
        let key = snapshot.state.rollback_target(now, timing)?;
        snapshot.expect_fresh()?;
        self.move_alias(self.name.current(), key).await?;
        Ok(key.clone())
    }
}
