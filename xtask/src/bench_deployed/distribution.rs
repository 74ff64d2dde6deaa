//! Percentiles.

use serde_json::{Value, json};

/// Measured values, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distribution(Vec<f64>);

impl FromIterator<f64> for Distribution {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl Distribution {
    /// The number of values.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest value that is not below this percentage of all values.
    pub(super) fn percentile(&self, percentage: usize) -> Option<f64> {
        let rank = (self.0.len() * percentage).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    /// The percentiles as JSON, null without a value.
    pub(super) fn to_json(&self) -> Value {
        let [p50, p90, p99] = PERCENTAGES.map(|percentage| self.percentile(percentage));
        json!({"p50": p50, "p90": p90, "p99": p99})
    }

    /// The percentiles of times in milliseconds as text, empty without a value.
    pub(super) fn to_text(&self) -> String {
        let found = PERCENTAGES.into_iter().filter_map(|percentage| self.percentile(percentage));
        let texts: Vec<_> = found.map(|value| format!("{value:.1}")).collect();
        if texts.is_empty() { String::new() } else { format!("{} ms", texts.join(" / ")) }
    }

    /// The largest value.
    pub(super) fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

const PERCENTAGES: [usize; 3] = [50, 90, 99];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let distribution = |values: &[f64]| values.iter().copied().collect::<Distribution>();
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let rows = [
            ("none", distribution(&[]), [None; 3]),
            ("one", distribution(&[4.0]), [Some(4.0); 3]),
            ("three", distribution(&[3.0, 1.0, 2.0]), [Some(2.0), Some(3.0), Some(3.0)]),
            ("a hundred", distribution(&hundred), [Some(50.0), Some(90.0), Some(99.0)]),
        ];
        for (name, values, expected) in rows {
            assert_eq!([50, 90, 99].map(|p| values.percentile(p)), expected, "{name}");
        }
        assert_eq!((distribution(&hundred).max(), distribution(&[]).max()), (Some(100.0), None));
    }
}
