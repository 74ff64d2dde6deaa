use std::{process::ExitCode, sync::Arc, time::SystemTime};

use kms::{
    Settings, connect,
    function::{self, Answered, Diagnostic, Invocation},
    rotation::{Rotation, RotationError},
    telemetry::{Chain, Outcome, Record},
};
use serde_json::{Value, json};

use crate::{Calendar, Turn, turn};

/// The Lambda function.
pub async fn run() -> ExitCode {
    function::run_alone(Rotator::read, Rotator::handle).await
}

struct Rotator {
    calendar: Calendar,
    rotation: Rotation,
}

impl Rotator {
    fn read(settings: &mut Settings) -> Option<Self> {
        let (Some(client), Some(calendar)) = (connect(settings), Calendar::read(settings)) else {
            return None;
        };
        let rotation = Rotation::new(client, calendar.ring.clone());
        Some(Self { calendar, rotation })
    }

    /// Whatever the event is: it says that a day has passed.
    async fn handle(self: Arc<Self>, _: String, invocation: Invocation) -> Answered<Value, fn()> {
        let now = SystemTime::now().into();
        let ring = self.calendar.ring.current();
        let (outcome, details, answer) =
            match Box::pin(turn(&self.rotation, &self.calendar.policy, now)).await {
                Ok(Turn { done, overdue, next }) => {
                    let step = done.as_ref().map(|(step, _)| step.name());
                    let details = json!({
                        "Ring": ring,
                        "done": step,
                        "kid": done.as_ref().map(|(_, key)| &key.id),
                        "next": next.as_ref().ok().map(|next| next.step.name()),
                        "due": next.as_ref().ok().map(|next| next.due.seconds()),
                        "obstacle": next.as_ref().err().map(ToString::to_string),
                    });
                    (Outcome::Rotation(overdue), details.clone(), Ok(details))
                }
                Err(error) => {
                    let details = json!({"Ring": ring, "error": Chain(&error).to_string()});
                    let failed = Diagnostic {
                        error_type: cause(&error).to_owned(),
                        error_message: error.to_string(),
                    };
                    (Outcome::Fault(cause(&error)), details, Err(failed))
                }
            };
        Record { invocation: &invocation, outcome, kms: None, details }.write();
        answer.into()
    }
}

/// A name that stays.
const fn cause(error: &RotationError) -> &'static str {
    match error {
        RotationError::NoRing(_) => "NoRing",
        RotationError::Exists(_) | RotationError::Overtaken(_) | RotationError::Late => "Overtaken",
        RotationError::Obstacle(_) => "Obstacle",
        RotationError::Fault(fault) => fault.cause.code(),
    }
}
