//! The logs of functions.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};

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

/// The number of lines that are kept.
const CAPACITY: usize = 512;
const REASON_TIMEOUT: Duration = Duration::from_secs(2);
