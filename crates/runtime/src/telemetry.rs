//! JSON lines on standard output, as Lambda's JSON log format has them. The line of a request is
//! also its metrics, in the embedded metric format of `CloudWatch`.

use std::{
    env,
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use kms::{ErrorChain, Fault, KeyName};

use crate::function::Invocation;

/// Writes what the runtime and the SDK log as JSON lines, from WARN on or from the level that Lambda's
/// setting or `RUST_LOG` names. TRACE, which would log events, is refused at the start.
pub(crate) fn init_logging() {
    let setting = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let level = setting("AWS_LAMBDA_LOG_LEVEL").or_else(|| setting("RUST_LOG"));
    // Lambda has a level above ERROR.
    let level = level.map(|level| level.to_ascii_lowercase().replace("fatal", "error"));
    let level = level.filter(|level| !level.contains("trace"));
    let filter = level.and_then(|level| level.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(io::stdout)
        // An error of the handler is the response, and has a line of its own.
        .with_filter(filter.with_target("lambda_runtime::layers::panic", LevelFilter::OFF));
    // A subscriber that is there already stays.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// Writes why this process cannot start, as the fault that it is to the function's invokers.
pub(crate) fn refuse_start(cause: &'static str, message: &str, problems: &str) {
    let line = json!({
        "timestamp": timestamp(),
        "level": "ERROR",
        "message": message,
        "problems": problems,
        "outcome": "Fault",
        "Cause": cause,
        "Faults": 1,
        "_aws": Metadata::new(
            SystemTime::now(),
            &[Metric::new("Faults", "Count", &[&[], &["Cause"]])],
        ),
    });
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes that an alias of the ring cannot be read. Requests do not fail by it, so this line is the metric.
pub(crate) fn neighbor_fault(alias: &KeyName, fault: &Fault) {
    let line = neighbor_fault_line(alias, fault, SystemTime::now());
    let _ = writeln!(io::stdout(), "{line}");
}

fn neighbor_fault_line(alias: &KeyName, fault: &Fault, now: SystemTime) -> Value {
    json!({
        "timestamp": timestamp(),
        "level": "ERROR",
        "message": "a key of the ring could not be loaded",
        "alias": alias.as_str(),
        "error": ErrorChain(fault).to_string(),
        "outcome": "Fault",
        "Cause": fault.cause.code(),
        "Faults": 1,
        "_aws": Metadata::new(now, &[Metric::new("Faults", "Count", &[&[], &["Cause"]])]),
    })
}

/// The log line of one request, but for what the invocation itself adds.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// How the request ended.
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

impl LogRecord {
    /// Writes the line.
    pub(crate) fn write(&self, invocation: &Invocation) {
        let mut line = Vec::with_capacity(LINE_BYTES);
        let mut serializer = serde_json::Serializer::new(&mut line);
        let written =
            Line { record: self, invocation, now: SystemTime::now() }.serialize(&mut serializer);
        if written.is_ok() {
            line.push(b'\n');
            // With nobody to read the log there is nobody to tell.
            let _ = io::stdout().write_all(&line);
        }
    }
}

/// A record as it stands in the log, written without a copy: each request pays for one.
struct Line<'a> {
    record: &'a LogRecord,
    invocation: &'a Invocation,
    now: SystemTime,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { record: LogRecord { outcome, kms, details }, invocation, now } = self;
        let (name, dimension) = outcome.metric();
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
        // All of them together too: an alarm can watch that, and not each reason on its own.
        let all: &[&str] = &[];
        let (one, mut dimensions) = (dimension.map(|(name, _)| [name]), Vec::with_capacity(2));
        dimensions.push(all);
        if let Some((name, value)) = dimension {
            line.serialize_entry(name, value)?;
            dimensions.extend(one.as_ref().map(<[&str; 1]>::as_slice));
        }
        let mut metrics = Vec::with_capacity(2);
        if let Outcome::Rotation(overdue) = outcome {
            line.serialize_entry("RotationOverdue", &overdue.as_secs())?;
            // Of each ring on its own: one that is late must not hide behind another.
            metrics.push(Metric::new("RotationOverdue", "Seconds", &[&["Ring"]]));
        } else if !matches!(outcome, Outcome::Refused | Outcome::Published) {
            let metric = if name == "Fault" { "Faults" } else { name };
            line.serialize_entry(metric, &1)?;
            metrics.push(Metric::new(metric, "Count", &dimensions));
        }
        if let Some(time) = kms {
            line.serialize_entry("KmsLatency", &(time.as_secs_f64() * 1000.0))?;
            metrics.push(Metric::new("KmsLatency", "Milliseconds", &[&[]]));
        }
        if !metrics.is_empty() {
            line.serialize_entry("_aws", &Metadata::new(*now, &metrics))?;
        }
        line.end()
    }
}

/// What makes metrics of the members of a line.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    cloud_watch_metrics: &'a [Metric<'a>],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric<'a> {
    namespace: &'static str,
    dimensions: &'a [&'a [&'a str]],
    metrics: [Unit<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unit<'a> {
    name: &'a str,
    unit: &'a str,
}

impl<'a> Metadata<'a> {
    fn new(now: SystemTime, metrics: &'a [Metric<'a>]) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { timestamp, cloud_watch_metrics: metrics }
    }
}

impl<'a> Metric<'a> {
    fn new(name: &'a str, unit: &'a str, dimensions: &'a [&'a [&'a str]]) -> Self {
        Self { namespace: "Countersign", dimensions, metrics: [Unit { name, unit }] }
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

/// The time as Lambda's own lines have it.
fn timestamp() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}

/// What a usual line takes.
const LINE_BYTES: usize = 1024;

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
    fn line_of_an_unreadable_alias_is_a_fault() {
        let now = UNIX_EPOCH + Duration::from_millis(1234);
        let alias = "alias/ring-next".parse().unwrap();
        let mut line = neighbor_fault_line(&alias, &Fault::timed_out("GetPublicKey"), now);
        let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        let metric = metric("Faults", "Count", &json!([[], ["Cause"]]));
        let expected = json!({
            "level": "ERROR",
            "message": "a key of the ring could not be loaded",
            "alias": "alias/ring-next",
            "error": "GetPublicKey failed: KMS is out of reach",
            "outcome": "Fault",
            "Cause": "KmsUnreachable",
            "Faults": 1,
            "_aws": {"Timestamp": 1234, "CloudWatchMetrics": [metric]},
        });
        assert_eq!(line, expected);
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
        let invocation = Invocation {
            request_id: "id".to_owned(),
            is_cold: true,
            trace_id: Some("1-2-3".to_owned()),
            init_duration: Duration::ZERO,
            deadline: None,
        };
        for (outcome, micros, mut expected, metrics) in rows {
            let kms = micros.map(Duration::from_micros);
            let details = json!({"sub": "somebody", "jti": null});
            let record = LogRecord { outcome, kms, details };
            let now = UNIX_EPOCH + Duration::from_millis(1234);
            let mut line =
                serde_json::to_value(Line { record: &record, invocation: &invocation, now })
                    .unwrap();
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
