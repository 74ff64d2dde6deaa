//! The log line of an invocation, which is also its metrics.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use kms::{Metric, MetricValue};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{
    emf::{FAULTS, Metadata, MetricDirective, environment_dimensions},
    escaping::VisibleJson,
    timestamp::timestamp,
};
use crate::invocation::Invocation;

/// The function's part of the log line of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// The outcome of the request.
    pub outcome: Outcome,
    /// How many requests with this outcome the line counts. 0: no line is written, because a later one counts the request.
    pub requests: u32,
    /// The measured values of the request. Each value is a metric and a member of the log line.
    pub measured: Vec<Metric>,
    /// Further members of the log line, a JSON object. Never a token or a secret, and nothing from a token that was not
    /// verified. Members that are null are left out.
    pub details: Value,
}

/// The outcome of a request. Outcomes other than `Published` and `Rotation` are counted by a metric of the same name, faults
/// by `Faults`, and `Refused` only with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A token was issued. The grant, if OAuth has a name for it, is the dimension `Grant`.
    Issued(Option<&'static str>),
    /// A valid token was allowed to call the route.
    Allowed,
    /// A valid token was not allowed to call the route.
    Forbidden,
    /// The token is missing or not valid. The reason is the dimension `Reason`.
    Rejected(&'static str),
    /// A request for a token was refused. The error of an OAuth client is the dimension `Error`.
    Refused(Option<&'static str>),
    /// Public keys or metadata were returned.
    Published,
    /// A run of the rotation succeeded. The time is how long its step had been due; it becomes the metric
    /// `RotationOverdue`, with the dimension `Ring` from the details.
    Rotation(Duration),
    /// The function could not decide. The cause is the dimension `Cause`.
    Fault(&'static str),
}

impl LogRecord {
    /// Writes the log line to standard output.
    pub(crate) fn write(&self, invocation: &Invocation) {
        if self.requests == 0 {
            return;
        }
        let mut line = Vec::with_capacity(TYPICAL_LINE_BYTES);
        let mut serializer = serde_json::Serializer::with_formatter(&mut line, VisibleJson);
        let written =
            Line { record: self, invocation, now: SystemTime::now() }.serialize(&mut serializer);
        if written.is_ok() {
            line.push(b'\n');
            // A failed write to standard output cannot be reported.
            let _ = io::stdout().write_all(&line);
        }
    }
}

/// A log line. It is serialized directly, without an intermediate JSON value, because each request writes one.
struct Line<'a> {
    record: &'a LogRecord,
    invocation: &'a Invocation,
    now: SystemTime,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { record, invocation, now } = self;
        let LogRecord { outcome, requests, measured, details } = record;
        let (name, dimension) = outcome.name_and_dimension();
        let level = if matches!(outcome, Outcome::Fault(_)) { "ERROR" } else { "INFO" };
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("timestamp", &timestamp())?;
        line.serialize_entry("level", level)?;
        line.serialize_entry("message", &name.to_ascii_lowercase())?;
        line.serialize_entry("requestId", &invocation.request_id)?;
        line.serialize_entry("coldStart", &invocation.is_cold)?;
        line.serialize_entry("outcome", name)?;
        if let Some(trace) = &invocation.trace_id {
            line.serialize_entry("xrayTraceId", trace)?;
        }
        if let Value::Object(details) = details {
            for (name, value) in details.iter().filter(|(_, value)| !value.is_null()) {
                line.serialize_entry(name, value)?;
            }
        }
        // Also without a dimension, so that one alarm can cover all reasons or causes.
        let total: &[&str] = &[];
        let (own, mut dimensions) = (dimension.map(|(name, _)| [name]), Vec::with_capacity(2));
        dimensions.push(total);
        if let Some((name, value)) = dimension {
            line.serialize_entry(name, value)?;
            dimensions.extend(own.as_ref().map(<[&str; 1]>::as_slice));
        }
        let mut metrics = Vec::with_capacity(3);
        if let Outcome::Rotation(overdue) = outcome {
            line.serialize_entry("RotationOverdue", &overdue.as_secs())?;
            // Separately for each ring, so that a late rotation is visible.
            metrics.push(MetricDirective::new("RotationOverdue", "Seconds", &[&["Ring"]]));
        } else if matches!(outcome, Outcome::Fault(_)) {
            line.serialize_entry(FAULTS, requests)?;
            metrics.push(MetricDirective::faults());
        } else if !matches!(outcome, Outcome::Refused(None) | Outcome::Published) {
            line.serialize_entry(name, requests)?;
            metrics.push(MetricDirective::new(name, "Count", &dimensions));
        }
        for Metric { name, value } in measured {
            let unit = match value {
                MetricValue::Time(time) => {
                    line.serialize_entry(name, &(time.as_secs_f64() * 1000.0))?;
                    "Milliseconds"
                }
                MetricValue::Flag(is_set) => {
                    line.serialize_entry(name, &u8::from(*is_set))?;
                    "Count"
                }
            };
            metrics.push(MetricDirective::measured(name, unit));
        }
        if !metrics.is_empty() {
            for (name, value) in environment_dimensions() {
                line.serialize_entry(name, value)?;
            }
            line.serialize_entry("_aws", &Metadata::new(*now, &metrics))?;
        }
        line.end()
    }
}

impl Outcome {
    /// The name of the outcome, and the dimension of its metric with its value.
    const fn name_and_dimension(self) -> (&'static str, Option<(&'static str, &'static str)>) {
        match self {
            Self::Issued(None) => ("Issued", None),
            Self::Issued(Some(grant)) => ("Issued", Some(("Grant", grant))),
            Self::Allowed => ("Allowed", None),
            Self::Forbidden => ("Forbidden", None),
            Self::Rejected(reason) => ("Rejected", Some(("Reason", reason))),
            Self::Refused(None) => ("Refused", None),
            Self::Refused(Some(error)) => ("Refused", Some(("Error", error))),
            Self::Published => ("Published", None),
            Self::Rotation(_) => ("Rotation", None),
            Self::Fault(cause) => ("Fault", Some(("Cause", cause))),
        }
    }
}

const TYPICAL_LINE_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;

    fn metric(name: &str, unit: &str, dimensions: &Value) -> Value {
        json!({
            "Namespace": "Countersign",
            "Dimensions": dimensions,
            "Metrics": [{"Name": name, "Unit": unit}],
        })
    }

    #[test]
    fn log_line_of_each_outcome_has_its_metric() {
        let count = |name: &str| metric(name, "Count", &json!([[]]));
        let count_by =
            |name: &str, dimension: &str| metric(name, "Count", &json!([[], [dimension]]));
        let latency = metric("KmsLatency", "Milliseconds", &json!([[]]));
        let time = MetricValue::Time(Duration::from_micros(1500));
        let kms_latency = Metric { name: "KmsLatency", value: time };
        let is_cached = |is_hit| {
            let value = MetricValue::Flag(is_hit);
            Metric { name: "SignatureCached", value }
        };
        let rows = [
            (
                Outcome::Issued(None),
                vec![],
                json!({"level": "INFO", "message": "issued", "outcome": "Issued", "Issued": 1}),
                Some(vec![count("Issued")]),
            ),
            (
                Outcome::Allowed,
                vec![kms_latency, is_cached(false)],
                json!({
                    "level": "INFO", "message": "allowed", "outcome": "Allowed", "Allowed": 1,
                    "KmsLatency": 1.5, "SignatureCached": 0,
                }),
                Some(vec![count("Allowed"), latency, count("SignatureCached")]),
            ),
            (
                Outcome::Forbidden,
                vec![is_cached(true)],
                json!({
                    "level": "INFO", "message": "forbidden", "outcome": "Forbidden",
                    "Forbidden": 1, "SignatureCached": 1,
                }),
                Some(vec![count("Forbidden"), count("SignatureCached")]),
            ),
            (
                Outcome::Rejected("Expired"),
                vec![],
                json!({
                    "level": "INFO", "message": "rejected", "outcome": "Rejected",
                    "Rejected": 1, "Reason": "Expired",
                }),
                Some(vec![count_by("Rejected", "Reason")]),
            ),
            (
                Outcome::Refused(None),
                vec![],
                json!({"level": "INFO", "message": "refused", "outcome": "Refused"}),
                None,
            ),
            (
                Outcome::Rotation(Duration::from_hours(1)),
                vec![],
                json!({
                    "level": "INFO", "message": "rotation", "outcome": "Rotation",
                    "RotationOverdue": 3600,
                }),
                Some(vec![metric("RotationOverdue", "Seconds", &json!([["Ring"]]))]),
            ),
            (
                Outcome::Fault("KeyState"),
                vec![],
                json!({
                    "level": "ERROR", "message": "fault", "outcome": "Fault", "Faults": 1,
                    "Cause": "KeyState",
                }),
                Some(vec![count_by("Faults", "Cause")]),
            ),
        ];
        assert_lines(rows.into());
    }

    #[test]
    fn log_line_of_each_grant_has_its_dimension() {
        let count_by =
            |name: &str, dimension: &str| metric(name, "Count", &json!([[], [dimension]]));
        assert_lines(vec![
            (
                Outcome::Issued(Some("jwt-bearer")),
                vec![],
                json!({
                    "level": "INFO", "message": "issued", "outcome": "Issued", "Issued": 1,
                    "Grant": "jwt-bearer",
                }),
                Some(vec![count_by("Issued", "Grant")]),
            ),
            (
                Outcome::Refused(Some("invalid_grant")),
                vec![],
                json!({
                    "level": "INFO", "message": "refused", "outcome": "Refused", "Refused": 1,
                    "Error": "invalid_grant",
                }),
                Some(vec![count_by("Refused", "Error")]),
            ),
        ]);
    }

    type Row = (Outcome, Vec<Metric>, Value, Option<Vec<Value>>);

    /// Checks whole lines, with the fields that every line has.
    fn assert_lines(rows: Vec<Row>) {
        let common = json!({"requestId": "id", "coldStart": true, "xrayTraceId": "1-2-3"});
        let invocation = Invocation {
            request_id: "id".to_owned(),
            is_cold: true,
            trace_id: Some("1-2-3".to_owned()),
            init_duration: Duration::ZERO,
            deadline: None,
            response_time: Duration::MAX,
        };
        for (outcome, measured, mut expected, metrics) in rows {
            let details = json!({"sub": "alice", "jti": null});
            let requests = 1;
            let record = LogRecord { outcome, requests, measured, details };
            let now = UNIX_EPOCH + Duration::from_millis(1234);
            let mut line =
                serde_json::to_value(Line { record: &record, invocation: &invocation, now })
                    .unwrap();
            let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
            let members = expected.as_object_mut().unwrap();
            members.extend(common.as_object().unwrap().clone());
            members.insert("sub".into(), "alice".into());
            members.extend(metrics.map(|metrics| {
                let metadata = json!({"Timestamp": 1234, "CloudWatchMetrics": metrics});
                ("_aws".to_owned(), metadata)
            }));
            assert_eq!(line, expected, "{outcome:?}");
        }
    }
}
