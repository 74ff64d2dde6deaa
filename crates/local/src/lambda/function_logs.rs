//! The logs of functions.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};

use crate::template::text;

/// The logs of all functions of a stack.
#[derive(Debug, Clone)]
pub struct FunctionLogs {
    recent: Arc<Mutex<VecDeque<LogLine>>>,
    lines: broadcast::Sender<LogLine>,
}

/// A line of the log of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The logical id of the function.
    pub function: String,
    /// The line without its line feed.
    pub text: String,
}

impl Default for FunctionLogs {
    fn default() -> Self {
        Self { recent: Arc::default(), lines: broadcast::Sender::new(CAPACITY) }
    }
}

impl FunctionLogs {
    /// The most recent lines, oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<LogLine> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Subscribes to new lines. A receiver that lags behind misses some.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<LogLine> {
        self.lines.subscribe()
    }

    /// The reason for the outcome of a request, from the log line with this request id. The line can arrive later
    /// than the response, so this waits up to two seconds.
    pub async fn reason(&self, request_id: &str) -> Option<String> {
        let mut lines = self.follow();
        let known = self.recent().iter().find_map(|line| line.reason(request_id));
        if known.is_some() {
            return known;
        }
        let wait = async {
            loop {
                match lines.recv().await {
                    Ok(line) => match line.reason(request_id) {
                        None => {}
                        reason => return reason,
                    },
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        timeout(REASON_TIMEOUT, wait).await.ok().flatten()
    }

    pub(super) fn write(&self, line: LogLine) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == CAPACITY {
            recent.pop_front();
        }
        recent.push_back(line.clone());
        drop(recent);
        // An error means that there is no receiver.
        let _ = self.lines.send(line);
    }
}

impl LogLine {
    /// The member `level`, if the line is a JSON object.
    #[must_use]
    pub fn level(&self) -> Option<String> {
        let line: Value = serde_json::from_str(&self.text).ok()?;
        line.get("level")?.as_str().map(str::to_owned)
    }

    /// The line as one sentence: the level, the message, what caused it, and the members that only this line has.
    /// A line that is not a JSON object is returned as it is.
    #[must_use]
    pub fn summary(&self) -> String {
        let Ok(line) = serde_json::from_str::<Map<String, Value>>(&self.text) else {
            return self.text.clone();
        };
        let member = |name: &str| line.get(name).map(text);
        let causes = CAUSES.into_iter().filter_map(member);
        let sentence: Vec<_> = member("message").into_iter().chain(causes).collect();
        let others = line.iter().filter(|(name, _)| !is_common(name));
        let others = others.map(|(name, value)| format!("{name}={}", text(value)));
        let details: Vec<_> = member("Cause").into_iter().chain(others).collect();
        let mut summary = member("level").map_or_else(String::new, |level| level + " ");
        summary.push_str(&sentence.join(": "));
        if !details.is_empty() {
            summary.extend([" (", &details.join(", "), ")"]);
        }
        summary
    }

    fn reason(&self, request_id: &str) -> Option<String> {
        // Most lines are of other requests and need not be parsed.
        if !self.text.contains(request_id) {
            return None;
        }
        let line: Value = serde_json::from_str(&self.text).ok()?;
        let text = |name| line.get(name).and_then(Value::as_str);
        if text("requestId") != Some(request_id) {
            return None;
        }
        let names = ["Reason", "Cause", "reason", "outcome"];
        names.into_iter().find_map(text).map(str::to_owned)
    }
}

/// Whether a member is part of the sentence, or tells a person at the terminal nothing more.
fn is_common(name: &str) -> bool {
    let technical =
        ["timestamp", "requestId", "coldStart", "xrayTraceId", "target", "_aws", "Faults"];
    ["level", "message", "outcome", "Cause"].contains(&name)
        || technical.contains(&name)
        || CAUSES.contains(&name)
}

/// The members that explain the message.
const CAUSES: [&str; 3] = ["error", "problems", "warning"];
/// The number of lines that are kept.
const CAPACITY: usize = 512;
const REASON_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_went_wrong() {
        let rows = [
            (
                "a fault of a request",
                r#"{"timestamp":"2026-11-29T17:00:00.000Z","level":"ERROR","message":"fault","requestId":"1",
                "coldStart":true,"outcome":"Fault","xrayTraceId":"Root=1","error":"Verify failed: KMS is out of reach",
                "Cause":"KmsUnreachable","Faults":1,"KmsLatency":12.5,"_aws":{}}"#,
                "ERROR fault: Verify failed: KMS is out of reach (KmsUnreachable, KmsLatency=12.5)",
            ),
            (
                "a fault outside of a request",
                r#"{"level":"ERROR","message":"a key of the ring could not be loaded","alias":"alias/a-next",
                "error":"DescribeKey failed","outcome":"Fault","Cause":"AccessDenied","Faults":1}"#,
                "ERROR a key of the ring could not be loaded: DescribeKey failed (AccessDenied, alias=alias/a-next)",
            ),
            (
                "a line of a library",
                r#"{"level":"WARN","message":"retrying","target":"aws","attempt":2,"last":true}"#,
                "WARN retrying (attempt=2, last=true)",
            ),
            ("no details", r#"{"level":"WARN","message":"\"quoted\""}"#, "WARN \"quoted\""),
            ("text", "panicked at \"src\"", "panicked at \"src\""),
            ("a JSON text", r#""{""#, r#""{""#),
        ];
        for (name, written, expected) in rows {
            let line = LogLine { function: "F".into(), text: written.into() };
            assert_eq!(line.summary(), expected, "{name}");
        }
    }
}
