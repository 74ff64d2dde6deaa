//! The metrics of one request, with their names.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A metric of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name of the metric.
    pub name: &'static str,
    /// The value.
    pub value: MetricValue,
}

/// The value of a [`Metric`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricValue {
    /// A length of time.
    Time(Duration),
    /// A yes-or-no metric. Both values are recorded, so that the average is a rate.
    Flag(bool),
}

/// Measures one request to sign or verify.
#[derive(Debug, Default)]
pub struct RequestMetrics {
    /// The time of the calls to Sign and Verify, in microseconds.
    kms_time: AtomicU64,
    signature_cached: OnceLock<bool>,
}

impl RequestMetrics {
    /// The metrics that were recorded.
    #[must_use]
    pub fn measured(&self) -> Vec<Metric> {
        let kms_time = self.kms_time().map(MetricValue::Time);
        let signature_cached = self.signature_cached().map(MetricValue::Flag);
        let all = [("KmsLatency", kms_time), ("SignatureCached", signature_cached)];
        let measured = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        measured.map(|(name, value)| Metric { name, value }).collect()
    }

    /// The total time of the calls to KMS Sign and Verify, in whole microseconds. `None` if there was no call.
    #[must_use]
    pub fn kms_time(&self) -> Option<Duration> {
        let micros = self.kms_time.load(Ordering::Relaxed);
        Some(micros).filter(|time| *time > 0).map(Duration::from_micros)
    }

    /// Whether the signature cache had the signature. `None`: the cache was not consulted.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recorded_metrics_are_returned() {
        let metrics = RequestMetrics::default();
        assert_eq!(metrics.measured(), []);
        metrics.record_cache_lookup(false);
        let signature_cached = Metric { name: "SignatureCached", value: MetricValue::Flag(false) };
        assert_eq!(metrics.measured(), [signature_cached]);
        drop(metrics.start_call());
        let time = metrics.kms_time().unwrap();
        let kms_latency = Metric { name: "KmsLatency", value: MetricValue::Time(time) };
        assert_eq!(metrics.measured(), [kms_latency, signature_cached]);
    }
}
