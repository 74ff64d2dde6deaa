//! JSON lines on standard output, as Lambda's JSON log format has them. The line of a request is
//! also its metrics, in the embedded metric format of `CloudWatch`.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{format::Writer, layer, time::FormatTime},
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

use crate::function::Invocation;

/// Starts the log of this process: INFO and above.
///
/// The runtime's own lines are left out. It would log every refused request as an error of the
/// function's, and at TRACE the whole event with the token in it.
pub fn start() {
    let lines = layer().json().flatten_event(true).with_target(false).with_current_span(false);
    let ours =
        Targets::new().with_default(Level::INFO).with_target("lambda_runtime", LevelFilter::OFF);
    // A second start in one process keeps the first.
    let _ = registry().with(lines.with_filter(ours)).try_init();
}

/// Says why this process cannot start, as the fault that it is to whoever asks the function.
pub(crate) fn refuse_start(cause: &'static str, message: &str, problems: &dyn fmt::Display) {
    let line = json!({
        "timestamp": timestamp(),
        "level": "ERROR",
        "message": message,
        "problems": problems.to_string(),
        "outcome": "Fault",
        "Cause": cause,
        "Faults": 1,
        "_aws": {
            "Timestamp": milliseconds(SystemTime::now()),
            "CloudWatchMetrics": [metric_of("Faults", "Count", &[vec![], vec!["Cause"]])],
        },
    });
    let _ = writeln!(io::stdout(), "{line}");
}

/// What became of one request, which is one line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// The invocation that it is about.
    pub invocation: &'a Invocation,
    /// How it ended.
    pub outcome: Outcome,
    /// How long KMS took, if it was asked.
    pub kms: Option<Duration>,
    /// What else there is to say. Nothing of an unverified token, and never a token.
    pub details: Value,
}

/// How a request ends. Those that say something of tokens are metrics of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A token was issued.
    Issued,
    /// A good token that opens the route.
    Allowed,
    /// A good token that does not.
    Forbidden,
    /// No good token, for this reason.
    Rejected(&'static str),
    /// A request for a token that is not granted.
    Refused,
    /// What anybody may know was given out.
    Published,
    /// A rotation went as it should, and its step had been due for this long. The details have the
    /// `Ring`.
    Rotation(Duration),
    /// Nobody knows, for this cause.
    Fault(&'static str),
}

impl Record<'_> {
    /// Writes the line.
    pub fn write(&self) {
        // With nobody to read the log there is nobody to tell.
        let _ = writeln!(io::stdout(), "{}", self.line(SystemTime::now()));
    }

    fn line(&self, now: SystemTime) -> Value {
        let Invocation { request_id, cold, trace } = self.invocation;
        let (name, dimension) = self.outcome.metric();
        let mut metrics = Vec::new();
        let mut line = json!({
            "timestamp": timestamp(),
            "level": if matches!(self.outcome, Outcome::Fault(_)) { "ERROR" } else { "INFO" },
            "message": name.to_ascii_lowercase(),
            "requestId": request_id,
            "coldStart": cold,
            "outcome": name,
        });
        let Value::Object(members) = &mut line else { return line };
        members.extend(trace.as_ref().map(|trace| ("xrayTraceId".into(), json!(trace))));
        if let Value::Object(details) = &self.details {
            let told = details.iter().filter(|(_, value)| !value.is_null());
            members.extend(told.map(|(name, value)| (name.clone(), value.clone())));
        }
        // All of them together too: an alarm can watch that, and not each reason on its own.
        let mut dimensions = vec![Vec::new()];
        if let Some((dimension, value)) = dimension {
            members.insert(dimension.into(), value.into());
            dimensions.push(vec![dimension]);
        }
        if let Outcome::Rotation(overdue) = self.outcome {
            members.insert("RotationOverdue".into(), overdue.as_secs().into());
            // Of each ring on its own: one that is late must not hide behind another.
            metrics.push(metric_of("RotationOverdue", "Seconds", &[vec!["Ring"]]));
        } else if !matches!(self.outcome, Outcome::Refused | Outcome::Published) {
            let metric = if name == "Fault" { "Faults" } else { name };
            members.insert(metric.into(), 1.into());
            metrics.push(metric_of(metric, "Count", &dimensions));
        }
        if let Some(time) = self.kms {
            members.insert("KmsLatency".into(), (time.as_secs_f64() * 1000.0).into());
            metrics.push(metric_of("KmsLatency", "Milliseconds", &[Vec::new()]));
        }
        if !metrics.is_empty() {
            let metadata = json!({"Timestamp": milliseconds(now), "CloudWatchMetrics": metrics});
            members.insert("_aws".into(), metadata);
        }
        line
    }
}

impl Outcome {
    /// Its name, and what divides the metric up.
    const fn metric(self) -> (&'static str, Option<(&'static str, &'static str)>) {
        match self {
            Self::Issued => ("Issued", None),
            Self::Allowed => ("Allowed", None),
            Self::Forbidden => ("Forbidden", None),
            Self::Rejected(reason) => ("Rejected", Some(("Reason", reason))),
            Self::Refused => ("Refused", None),
            Self::Published => ("Published", None),
            Self::Rotation(_) => ("Rotation", None),
            Self::Fault(cause) => ("Fault", Some(("Cause", cause))),
        }
    }
}

fn metric_of(name: &str, unit: &str, dimensions: &[Vec<&str>]) -> Value {
    json!({
        "Namespace": "Countersign",
        "Dimensions": dimensions,
        "Metrics": [{"Name": name, "Unit": unit}],
    })
}

/// The time as a metric has it.
fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time as every other line has it.
fn timestamp() -> String {
    let mut text = String::new();
    match tracing_subscriber::fmt::time().format_time(&mut Writer::new(&mut text)) {
        Ok(()) => text,
        Err(fmt::Error) => String::new(),
    }
}

/// An error with all its causes, in one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, unit: &str, dimensions: &Value) -> Value {
        json!({
            "Namespace": "Countersign",
            "Dimensions": dimensions,
            "Metrics": [{"Name": name, "Unit": unit}],
        })
    }

    #[test]
    fn lines_are_pinned() {
        let common = json!({"requestId": "id", "coldStart": true, "xrayTraceId": "1-2-3"});
        let count = |name: &str| metric(name, "Count", &json!([[]]));
        let divided = |name: &str, by: &str| metric(name, "Count", &json!([[], [by]]));
        let latency = metric("KmsLatency", "Milliseconds", &json!([[]]));
        let rows = [
            (
                Outcome::Issued,
                None,
                json!({"level": "INFO", "message": "issued", "outcome": "Issued", "Issued": 1}),
                Some(vec![count("Issued")]),
            ),
            (
                Outcome::Allowed,
                Some(1500),
                json!({
                    "level": "INFO", "message": "allowed", "outcome": "Allowed", "Allowed": 1,
                    "KmsLatency": 1.5,
                }),
                Some(vec![count("Allowed"), latency]),
            ),
            (
                Outcome::Forbidden,
                None,
                json!({
                    "level": "INFO", "message": "forbidden", "outcome": "Forbidden",
                    "Forbidden": 1,
                }),
                Some(vec![count("Forbidden")]),
            ),
            (
                Outcome::Rejected("Expired"),
                None,
                json!({
                    "level": "INFO", "message": "rejected", "outcome": "Rejected",
                    "Rejected": 1, "Reason": "Expired",
                }),
                Some(vec![divided("Rejected", "Reason")]),
            ),
            (
                Outcome::Refused,
                None,
                json!({"level": "INFO", "message": "refused", "outcome": "Refused"}),
                None,
            ),
            (
                Outcome::Rotation(Duration::from_hours(1)),
                None,
                json!({
                    "level": "INFO", "message": "rotation", "outcome": "Rotation",
                    "RotationOverdue": 3600,
                }),
                Some(vec![metric("RotationOverdue", "Seconds", &json!([["Ring"]]))]),
            ),
            (
                Outcome::Fault("KeyState"),
                None,
                json!({
                    "level": "ERROR", "message": "fault", "outcome": "Fault", "Faults": 1,
                    "Cause": "KeyState",
                }),
                Some(vec![divided("Faults", "Cause")]),
            ),
        ];
        let invocation =
            Invocation { request_id: "id".into(), cold: true, trace: Some("1-2-3".into()) };
        for (outcome, micros, mut expected, metrics) in rows {
            let kms = micros.map(Duration::from_micros);
            let details = json!({"sub": "somebody", "jti": null});
            let record = Record { invocation: &invocation, outcome, kms, details };
            let mut line = record.line(UNIX_EPOCH + Duration::from_millis(1234));
            let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
            let members = expected.as_object_mut().unwrap();
            members.extend(common.as_object().unwrap().clone());
            members.insert("sub".into(), "somebody".into());
            members.extend(metrics.map(|metrics| {
                let metadata = json!({"Timestamp": 1234, "CloudWatchMetrics": metrics});
                ("_aws".to_owned(), metadata)
            }));
            assert_eq!(line, expected);
        }
    }
}
