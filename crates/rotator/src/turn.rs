use std::time::Duration;

use jwt::UnixTime;
use kms::rotation::{KeyFacts, Obstacle, Plan, Policy, Rotation, RotationError, Step, plan};

/// What one run did, and what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The step that was due and is done, with the key that it was about.
    pub done: Option<(Step, KeyFacts)>,
    /// How long it had been due.
    pub overdue: Duration,
    /// The step that comes next, or what is in its way.
    pub next: Result<Plan, Obstacle>,
}

/// Looks at the ring once, and does the step that is due, if one is.
///
/// # Errors
/// When KMS fails, when something is in the way, and when somebody else rotates at this moment.
pub async fn turn(
    rotation: &Rotation,
    policy: &Policy,
    now: UnixTime,
) -> Result<Turn, RotationError> {
    let look = rotation.look().await?;
    let planned = plan(&look.seen, now, policy)?;
    let Some(overdue) = planned.overdue(now) else {
        return Ok(Turn { done: None, overdue: Duration::ZERO, next: Ok(planned) });
    };
    let key = rotation.perform(&look, &planned.step).await?;
    let next = plan(&look.seen.after(&planned.step, &key, now), now, policy);
    Ok(Turn { done: Some((planned.step, key)), overdue, next })
}
