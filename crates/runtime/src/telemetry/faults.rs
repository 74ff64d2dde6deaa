//! The log lines of faults outside of an invocation.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use kms::{ErrorChain, Fault, KeyName};
use serde_json::{Value, json};

use super::{
    emf::{FAULTS, Metadata, MetricDirective, environment_dimensions},
    timestamp::timestamp,
};
use crate::SettingsError;

/// Why a function cannot start.
#[derive(Debug)]
pub(crate) struct StartFailure {
    /// The `Cause` of the fault.
    pub(crate) cause: &'static str,
    /// What happened.
    pub(crate) message: &'static str,
    /// All problems, separated by semicolons.
    pub(crate) problems: String,
}

impl StartFailure {
    pub(crate) fn settings(error: &SettingsError) -> Self {
        Self { cause: "Settings", message: "invalid settings", problems: error.to_string() }
    }

    pub(crate) fn unsupported_key(fault: &Fault) -> Self {
        let problems = ErrorChain(fault).to_string();
        Self { cause: fault.cause.code(), message: "the key cannot sign tokens", problems }
    }

    /// Writes the log line. It counts as a fault, because the invocations fail.
    pub(crate) fn log(&self) {
        let details = json!({"problems": self.problems});
        write(&fault_line(self.message, self.cause, details, SystemTime::now()));
    }
}

/// Writes that `-next` or `-previous` cannot be read. Requests do not fail because of it, so this line counts the fault.
pub(crate) fn log_neighbor_fault(alias: &KeyName, fault: &Fault) {
    write(&neighbor_fault_line(alias, fault, SystemTime::now()));
}

fn neighbor_fault_line(alias: &KeyName, fault: &Fault, now: SystemTime) -> Value {
    let details = json!({"alias": alias.as_str(), "error": ErrorChain(fault).to_string()});
    fault_line("a key of the ring could not be loaded", fault.cause.code(), details, now)
}

/// The log line of a fault. `details` has the members that other faults do not have.
fn fault_line(message: &str, cause: &'static str, details: Value, now: SystemTime) -> Value {
    let mut line = json!({
        "timestamp": timestamp(),
        "level": "ERROR",
        "message": message,
        "outcome": "Fault",
        "Cause": cause,
        FAULTS: 1,
        "_aws": Metadata::new(now, &[MetricDirective::faults()]),
    });
    if let (Value::Object(line), Value::Object(details)) = (&mut line, details) {
        line.extend(details);
        line.extend(environment_dimensions().map(|(name, value)| (name.to_owned(), value.into())));
    }
    line
}

fn write(line: &Value) {
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn log_line_of_an_unreadable_alias_is_a_fault() {
        let now = UNIX_EPOCH + Duration::from_millis(1234);
        let alias = "alias/ring-next".parse().unwrap();
        let mut line = neighbor_fault_line(&alias, &Fault::timed_out("GetPublicKey"), now);
        let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        let metric = json!({
            "Namespace": "Countersign",
            "Dimensions": [[], ["Cause"]],
            "Metrics": [{"Name": "Faults", "Unit": "Count"}],
        });
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
}
