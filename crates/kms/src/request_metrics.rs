//! What one request cost: its time in KMS, and whether its signature was cached.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Measures one request to sign or verify.
#[derive(Debug, Default)]
pub struct RequestMetrics {
    /// The time of the calls to Sign and Verify, in microseconds.
    kms_time: AtomicU64,
    signature_cached: OnceLock<bool>,
}

impl RequestMetrics {
    /// The total time of the calls to KMS Sign and Verify, in whole microseconds. `None` if there was no call.
    #[must_use]
    pub fn kms_time(&self) -> Option<Duration> {
        let micros = self.kms_time.load(Ordering::Relaxed);
        Some(micros).filter(|time| *time > 0).map(Duration::from_micros)
    }

    /// Whether the signature cache had the signature. `None` if the cache was not asked.
    #[must_use]
    pub fn signature_cached(&self) -> Option<bool> {
        self.signature_cached.get().copied()
    }

    /// Starts to measure a call. The measurement ends when the timer is dropped: after the response, or when the
    /// request is cancelled.
    pub(crate) fn start_call(&self) -> Timer<'_> {
        Timer { metrics: self, start: Instant::now() }
    }

    /// Adds the time of a call.
    pub(crate) fn record_call(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.kms_time.fetch_add(micros.max(1), Ordering::Relaxed);
    }

    pub(crate) fn record_cache_lookup(&self, is_hit: bool) {
        // The first lookup of a request counts.
        let _ = self.signature_cached.set(is_hit);
    }
}

/// Measures one call.
pub(crate) struct Timer<'a> {
    metrics: &'a RequestMetrics,
    start: Instant,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.metrics.record_call(self.start.elapsed());
    }
}
