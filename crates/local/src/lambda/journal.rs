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

/// What the functions write to their logs.
#[derive(Debug, Clone)]
pub struct Journal {
    recent: Arc<Mutex<VecDeque<Line>>>,
    lines: broadcast::Sender<Line>,
}

/// A line of a function's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The function's logical id.
    pub function: String,
    /// The line as it was written.
    pub text: String,
}

impl Default for Journal {
    fn default() -> Self {
        Self { recent: Arc::default(), lines: broadcast::Sender::new(CAPACITY) }
    }
}

impl Journal {
    /// The last lines, oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Line> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Every line from now on. Who is too slow misses some.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Line> {
        self.lines.subscribe()
    }

    /// Why a request ended as it did, as the function's log says. A line may come a little later
    /// than the answer: it has a pipe of its own.
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
        timeout(PATIENCE, wait).await.ok().flatten()
    }

    pub(super) fn write(&self, line: Line) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == CAPACITY {
            recent.pop_front();
        }
        recent.push_back(line.clone());
        drop(recent);
        // Nobody follows: then nobody misses it.
        let _ = self.lines.send(line);
    }
}

impl Line {
    /// The level, if this is one of the function's own JSON lines.
    #[must_use]
    pub fn level(&self) -> Option<String> {
        let line: Value = serde_json::from_str(&self.text).ok()?;
        line.get("level")?.as_str().map(str::to_owned)
    }

    fn reason(&self, request_id: &str) -> Option<String> {
        // Reading all of them again for each request would take longer than the request.
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

const CAPACITY: usize = 512;
const PATIENCE: Duration = Duration::from_secs(2);
