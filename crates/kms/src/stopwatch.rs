use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How long KMS took for what a request needed of it.
#[derive(Debug, Default)]
pub struct Stopwatch(AtomicU64);

impl Stopwatch {
    /// The time of all calls, if there was one.
    #[must_use]
    pub fn read(&self) -> Option<Duration> {
        Some(self.0.load(Ordering::Relaxed)).filter(|time| *time > 0).map(Duration::from_micros)
    }

    /// Runs until what it gives is dropped: at the answer, or when nobody waits for it any more.
    pub(crate) fn start(&self) -> Running<'_> {
        Running { stopwatch: self, start: Instant::now() }
    }
}

/// A call that is on its way.
pub(crate) struct Running<'a> {
    stopwatch: &'a Stopwatch,
    start: Instant,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let took = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.stopwatch.0.fetch_add(took.max(1), Ordering::Relaxed);
    }
}
