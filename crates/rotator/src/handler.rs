use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use kms::{ErrorChain, Fault};
use rotation::{Finding, Rotation, RotationError, RotationRun};
use runtime::{
    Settings, connect,
    function::{self, Diagnostic, Handler, HandlerOutput, Invocation},
    telemetry::{LogRecord, Outcome},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::RotatorConfig;

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run_without_ring(Rotator::read).await
}

struct Rotator {
    calendar: RotatorConfig,
    rotation: Rotation,
}

impl Rotator {
    fn read(settings: &mut Settings) -> Option<Self> {
        let (Some(client), Some(calendar)) = (connect(settings), RotatorConfig::read(settings))
        else {
            return None;
        };
        let rotation = Rotation::new(client, calendar.ring.clone())
            .with_retained_key(calendar.retained_key.clone());
        Some(Self { calendar, rotation })
    }
}

impl Handler for Rotator {
    type Response = Value;

    /// The event says only that a day has passed.
    async fn handle(&self, _: &str, invocation: &Invocation) -> HandlerOutput<Value> {
        let now = SystemTime::now().into();
        let ring = self.calendar.ring.current();
        let run = Box::pin(rotation::run(&self.rotation, &self.calendar.policy, now));
        // A run that is cut off here is one that was killed: the next one goes on with it.
        let run = timeout(invocation.time_left(Duration::MAX), run).await;
        let run = run.unwrap_or_else(|_| Err(Fault::timed_out("the rotation").into()));
        let (outcome, details, response) = match run {
            Ok(RotationRun { done, overdue, next, findings, leftovers }) => {
                let step = done.as_ref().map(|(step, _)| step.name());
                let details = json!({
                    "Ring": ring,
                    "done": step,
                    "kid": done.as_ref().map(|(_, key)| &key.id),
                    "next": next.as_ref().ok().map(|next| next.step.name()),
                    "due": next.as_ref().ok().map(|next| next.due.seconds()),
                    "obstacle": next.as_ref().err().map(ToString::to_string),
                    "findings": texts(&findings),
                    "leftovers": texts(&leftovers),
                });
                match findings.first() {
                    None => (Outcome::Rotation(overdue), details.clone(), Ok(details)),
                    // The step is done all the same, and the alarm has to tell.
                    Some(finding) => {
                        let failed = Diagnostic {
                            error_type: finding.code().to_owned(),
                            error_message: finding.to_string(),
                        };
                        (Outcome::Fault(finding.code()), details, Err(failed))
                    }
                }
            }
            Err(error) => {
                let details = json!({"Ring": ring, "error": ErrorChain(&error).to_string()});
                let failed = Diagnostic {
                    error_type: cause(&error).to_owned(),
                    error_message: error.to_string(),
                };
                (Outcome::Fault(cause(&error)), details, Err(failed))
            }
        };
        HandlerOutput { response, record: LogRecord { outcome, kms: None, details } }
    }
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// The `Cause` in logs and metrics.
fn cause(error: &RotationError) -> &'static str {
    match error {
        RotationError::NoRing(_) => "NoRing",
        RotationError::Exists(_) | RotationError::Conflict(_) | RotationError::SnapshotExpired => {
            "Overtaken"
        }
        RotationError::Obstacle(_) | RotationError::NotPromoted | RotationError::RetirementDue => {
            "Obstacle"
        }
        RotationError::Findings(findings) => findings.first().map_or("Obstacle", Finding::code),
        RotationError::Orphan { source, .. } => cause(source),
        RotationError::Fault(fault) => fault.cause.code(),
    }
}
