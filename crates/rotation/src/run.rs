use std::time::Duration;

use jwt::UnixTime;

use crate::{
    Finding, KeyMetadata, Leftover, Obstacle, Plan, Rotation, RotationConfig, RotationError, Step,
    plan,
};

/// What one run did, and what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRun {
    /// The step that was due and is done, with the key that it was about.
    pub done: Option<(Step, KeyMetadata)>,
    /// How long it had been due.
    pub overdue: Duration,
    /// The step that comes next, or what blocks it.
    pub next: Result<Plan, Obstacle>,
    /// What is wrong with the ring's keys. It blocks a promotion, and the retirement of a foreign key, which
    /// may be in use elsewhere.
    pub findings: Vec<Finding>,
    /// Keys that an interrupted run has left, seen when a key is created.
    pub leftovers: Vec<Leftover>,
}

/// Reads the state of the ring once, checks its keys, and does the step that is due, if one is.
///
/// # Errors
/// When KMS fails, when something blocks the step, and when another run acts at the same time.
pub async fn run(
    rotation: &Rotation,
    policy: &RotationConfig,
    now: UnixTime,
) -> Result<RotationRun, RotationError> {
    let snapshot = rotation.read_state().await?;
    let findings = rotation.audit(&snapshot).await?;
    let planned = match plan(&snapshot.state, now, policy) {
        // A stranger's key explains a state that no step leads to.
        Err(_) if !findings.is_empty() => return Err(RotationError::Findings(findings)),
        planned => planned?,
    };
    let Some(overdue) = planned.overdue(now) else {
        let (done, leftovers) = (None, Vec::new());
        return Ok(RotationRun {
            done,
            overdue: Duration::ZERO,
            next: Ok(planned),
            findings,
            leftovers,
        });
    };
    if findings.iter().any(|finding| finding.blocks(&planned.step)) {
        return Err(RotationError::Findings(findings));
    }
    let key = rotation.execute(&snapshot, &planned.step).await?;
    let leftovers = match planned.step {
        // A report: what cannot be read now is reported another time.
        Step::Prepare(_) => rotation.leftovers(&snapshot, now).await.unwrap_or_default(),
        _ => Vec::new(),
    };
    let next = plan(&snapshot.state.after(&planned.step, &key, now), now, policy);
    Ok(RotationRun { done: Some((planned.step, key)), overdue, next, findings, leftovers })
}
