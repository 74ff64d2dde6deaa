use kms::ErrorChain;
use rotation::{RotationError, RotationRun};
use runtime::{
    function::{Diagnostic, HandlerOutput},
    telemetry::{LogRecord, Outcome},
};
use serde_json::{Value, json};

/// The response and the log line of a run. Both have the same members. `ring` is the alias of the current key.
pub(crate) fn response(
    ring: &str,
    run: Result<RotationRun, RotationError>,
) -> HandlerOutput<Value> {
    let (outcome, details, response) = match run {
        Ok(run) => {
            let details = run_details(ring, &run);
            match run.findings.first() {
                None => (Outcome::Rotation(run.overdue), details.clone(), Ok(details)),
                // The step was done if it was due and not blocked, but the finding must raise the alarm.
                Some(finding) => {
                    let diagnostic = Diagnostic {
                        error_type: finding.code().to_owned(),
                        error_message: finding.to_string(),
                    };
                    (Outcome::Fault(finding.code()), details, Err(diagnostic))
                }
            }
        }
        Err(error) => {
            let code = error.code();
            let details = json!({"Ring": ring, "error": ErrorChain(&error).to_string()});
            let diagnostic =
                Diagnostic { error_type: code.to_owned(), error_message: error.to_string() };
            (Outcome::Fault(code), details, Err(diagnostic))
        }
    };
    HandlerOutput {
        response,
        record: LogRecord { outcome, requests: 1, measured: Vec::new(), details },
    }
}

fn run_details(ring: &str, run: &RotationRun) -> Value {
    let RotationRun { done, next, findings, leftovers, .. } = run;
    json!({
        "Ring": ring,
        "done": done.as_ref().map(|(step, _)| step.name()),
        "kid": done.as_ref().map(|(_, key)| &key.id),
        "next": next.as_ref().ok().map(|next| next.step.name()),
        "due": next.as_ref().ok().map(|next| next.due.seconds()),
        "obstacle": next.as_ref().err().map(ToString::to_string),
        "findings": to_strings(findings),
        "leftovers": to_strings(leftovers),
    })
}

fn to_strings(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}
