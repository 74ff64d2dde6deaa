//! The selection of allowed requests that get a log line.

use std::sync::{Mutex, PoisonError};

/// Counts the allowed requests of an execution environment between two log lines.
#[derive(Debug)]
pub(crate) struct AllowedLines {
    /// One of this many requests has a line.
    interval: u32,
    /// The requests since the last line. `None`: there was no request yet.
    unwritten: Mutex<Option<u32>>,
}

impl AllowedLines {
    pub(crate) fn new(interval: u32) -> Self {
        Self { interval, unwritten: Mutex::new(None) }
    }

    /// How many requests the line of this request counts. 0: it has no line, and the next line counts it. The first
    /// request has a line.
    pub(crate) fn requests_of_line(&self) -> u32 {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = unwritten.unwrap_or_default() + 1;
        let has_line = unwritten.is_none() || requests >= self.interval;
        *unwritten = Some(if has_line { 0 } else { requests });
        if has_line { requests } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_all_requests() {
        let lines = AllowedLines::new(3);
        let counts: Vec<_> = (0..8).map(|_| lines.requests_of_line()).collect();
        assert_eq!(counts, [1, 0, 0, 3, 0, 0, 3, 0]);
        let lines = AllowedLines::new(1);
        let counts: Vec<_> = (0..3).map(|_| lines.requests_of_line()).collect();
        assert_eq!(counts, [1, 1, 1]);
    }
}
