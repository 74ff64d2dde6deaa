//! Summaries of measured times, in microseconds.

use std::time::Duration;

/// The median of samples and its variation during a run.
pub struct Timing {
    pub median: f64,
    /// The 5th and the 95th percentile of the medians of the rounds.
    pub p5: f64,
    pub p95: f64,
}

impl Timing {
    /// Summarizes samples that were taken in rounds of `size`.
    pub fn new(samples: &mut [Duration], size: usize) -> Self {
        let mut rounds: Vec<f64> = samples.chunks_mut(size).map(median).collect();
        rounds.sort_by(f64::total_cmp);
        let percentile = |percent: usize| {
            let last = rounds.len().saturating_sub(1);
            rounds.get((last * percent + 50) / 100).copied().unwrap_or(f64::NAN)
        };
        let (p5, p95) = (percentile(5), percentile(95));
        Self { median: median(samples), p5, p95 }
    }
}

/// The median in microseconds.
pub fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_computed_from_the_rounds() {
        // Twenty-one rounds with the medians 0 to 20 in mixed order, each with one outlier.
        let mut samples: Vec<_> = (0..21)
            .map(|n| n * 8 % 21)
            .flat_map(|n| [n, 1000, n])
            .map(Duration::from_micros)
            .collect();
        let Timing { median, p5, p95 } = Timing::new(&mut samples, 3);
        assert_eq!((median, p5, p95), (15.0, 1.0, 19.0));
    }
}
