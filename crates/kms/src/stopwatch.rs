//! The time that a request spends in calls to KMS.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Adds up the time of the calls to KMS Sign and Verify.
#[derive(Debug, Default)]
pub struct Stopwatch(AtomicU64);

impl Stopwatch {
    /// The total time of the calls, in whole microseconds. `None` if there was no call.
    #[must_use]
    pub fn read(&self) -> Option<Duration> {
        Some(self.0.load(Ordering::Relaxed)).filter(|time| *time > 0).map(Duration::from_micros)
    }

    /// Starts to measure a call. The measurement ends when the timer is dropped: after the response, or when the
    /// request is cancelled.
    pub(crate) fn start(&self) -> Timer<'_> {
        Timer { stopwatch: self, start: Instant::now() }
    }
}

/// Measures one call.
pub(crate) struct Timer<'a> {
    stopwatch: &'a Stopwatch,
    start: Instant,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.stopwatch.0.fetch_add(micros.max(1), Ordering::Relaxed);
    }
}
