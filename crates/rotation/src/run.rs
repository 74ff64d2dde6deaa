//! One run of the rotation.

use std::time::Duration;

use jwt::UnixTime;

use crate::{
    Finding, KeyMetadata, Leftover, Obstacle, Plan, Rotation, RotationConfig, RotationError, Step,
    plan,
};

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRun {
    /// The performed step, if one was due, and the key that it created, promoted or retired.
    pub done: Option<(Step, KeyMetadata)>,
    /// How long the performed step had been due. Zero if no step was due.
    pub overdue: Duration,
    /// The next step, or why none is possible.
    pub next: Result<Plan, Obstacle>,
    /// The findings of the audit. No finding blocked a due step.
    pub findings: Vec<Finding>,
    /// Keys that earlier, interrupted runs may have created. Only with a step that
    /// [reports them](Step::reports_leftovers).
    pub leftovers: Vec<Leftover>,
}

/// Reads the state of the ring, audits its keys, and performs the next step if it is due.
///
/// # Errors
/// If KMS fails, if an obstacle or a finding blocks the step, or if another run changes the ring at the same time.
pub async fn run_once(
    rotation: &Rotation,
    config: &RotationConfig,
    now: UnixTime,
) -> Result<RotationRun, RotationError> {
    let snapshot = rotation.read_state().await?;
    let findings = rotation.audit(&snapshot).await?;
    let planned = match plan(&snapshot.state, now, config) {
        // A foreign key explains the obstacle: report the cause.
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
    let leftovers = if planned.step.reports_leftovers() {
        // A leftover that cannot be read now is reported by a later run.
        rotation.leftovers(&snapshot, now).await.unwrap_or_default()
    } else {
        Vec::new()
    };
    let next = plan(&snapshot.state.after(&planned.step, &key, now), now, config);
    Ok(RotationRun { done: Some((planned.step, key)), overdue, next, findings, leftovers })
}
