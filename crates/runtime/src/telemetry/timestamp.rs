//! The time of a log line.

use std::time::SystemTime;

/// The current time in the format of Lambda's own log lines.
pub(super) fn timestamp() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}
