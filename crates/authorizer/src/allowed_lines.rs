//! Which allowed requests have a log line of their own.

use std::sync::{Mutex, PoisonError};

/// Counts the allowed requests of an execution environment between two log lines.
#[derive(Debug)]
pub(crate) struct AllowedLines {
    /// One of this many requests has a line.
    interval: u32,
    /// The requests since the last line.
    unwritten: Mutex<u32>,
}

impl AllowedLines {
    pub(crate) fn new(interval: u32) -> Self {
        Self { interval, unwritten: Mutex::new(0) }
    }

    /// How many requests the line of this request counts. 0: it has no line, and the next line counts it.
    pub(crate) fn requests_of_line(&self, is_first: bool) -> u32 {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        *unwritten += 1;
        if is_first || *unwritten >= self.interval { std::mem::take(&mut *unwritten) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_all_requests() {
        let lines = AllowedLines::new(3);
        let counts: Vec<_> = (0..8).map(|at| lines.requests_of_line(at == 0)).collect();
        assert_eq!(counts, [1, 0, 0, 3, 0, 0, 3, 0]);
        let lines = AllowedLines::new(1);
        let counts: Vec<_> = (0..3).map(|_| lines.requests_of_line(false)).collect();
        assert_eq!(counts, [1, 1, 1]);
    }
}
