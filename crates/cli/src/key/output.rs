//! Output that several commands have.

use std::{error::Error, io::Write, process::ExitCode};

use jwt::UnixTime;
use rotation::{KeyMetadata, KeyState, Plan, RingName, Rotation, Snapshot};
use serde_json::{Value, json};

use crate::exit::NO;
use crate::terminal;

/// Prints the result of a command, as JSON or as text.
pub(super) fn print(json: bool, value: &Value, text: &str) -> Result<ExitCode, Box<dyn Error>> {
    if json {
        writeln!(terminal::stdout(), "{value}")?;
    } else {
        writeln!(terminal::stdout(), "{text}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints why the command did nothing. The exit code is [`NO`].
pub(super) fn print_refusal(json: bool, reason: &dyn Error) -> Result<ExitCode, Box<dyn Error>> {
    print(json, &json!({"refused": reason.to_string()}), &reason.to_string())?;
    Ok(ExitCode::from(NO))
}

/// Prints the administrators of a ring that restricts who moves its aliases, so that an operator who is not
/// one of them sees why KMS denies access.
pub(super) async fn print_administrators(
    ring: &RingName,
    rotation: &Rotation,
    snapshot: &Snapshot,
) {
    // Only a note: a policy that cannot be read does not stop the command.
    if let Ok(Some(administrators)) = rotation.administrators(snapshot).await {
        let names = administrators.join(", ");
        let _ = writeln!(terminal::stderr(), "note: only {names} may move the aliases of {ring}");
    }
}

pub(super) fn plan_json(plan: &Plan) -> Value {
    json!({"name": plan.step.name(), "due": known(plan.due).map(UnixTime::seconds)})
}

/// A time that depends on the dates of aliases. `None` if KMS lists the aliases without dates.
pub(super) fn known(time: UnixTime) -> Option<UnixTime> {
    Some(time).filter(|time| *time < UnixTime::MAX)
}

/// The reason why a step that has to wait is never due.
pub(super) const NO_DATES: &str =
    "KMS does not say since when the aliases point at their keys, so that no wait can be checked";

pub(super) fn key_json(key: &KeyMetadata) -> Value {
    let deletion = match key.state {
        KeyState::PendingDeletion(at) => Some(at.seconds()),
        _ => None,
    };
    json!({
        "id": key.id, "arn": key.arn, "spec": key.spec.as_str(), "state": key.state.to_string(),
        "deletion": deletion,
    })
}
