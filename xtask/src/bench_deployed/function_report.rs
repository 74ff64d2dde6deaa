//! The figures of one function.

use serde_json::{Map, Value, json};

use super::{deployment::Function, distribution::Distribution, function_log::Invocation};

/// The measurements of one function. Times are in milliseconds.
pub(super) struct FunctionReport<'a> {
    pub(super) function: &'a Function,
    found: usize,
    expected: usize,
    cold_starts: usize,
    init: Distribution,
    cold: Distribution,
    warm: Distribution,
    billed: Distribution,
    kms: Distribution,
    /// How many signatures were cached, and how many were looked up.
    cached: (usize, usize),
    max_memory: Option<f64>,
}

impl<'a> FunctionReport<'a> {
    /// Summarizes the invocations that were found, of the number that was expected.
    pub(super) fn new(function: &'a Function, found: &[Invocation], expected: usize) -> Self {
        let duration = |is_cold| {
            let selected = found.iter().filter(move |invocation| invocation.is_cold == is_cold);
            selected.map(|invocation| invocation.usage.duration).collect::<Distribution>()
        };
        let cached = found.iter().filter_map(|invocation| invocation.is_cached);
        let (cold, warm) = (duration(true), duration(false));
        let memory = found.iter().map(|invocation| invocation.usage.max_memory);
        Self {
            function,
            found: found.len(),
            expected,
            cold_starts: cold.count(),
            init: found.iter().filter_map(|invocation| invocation.usage.init_duration).collect(),
            cold,
            warm,
            billed: found.iter().map(|invocation| invocation.usage.billed_duration).collect(),
            kms: found.iter().filter_map(|invocation| invocation.kms_latency).collect(),
            cached: (cached.clone().filter(|is_cached| *is_cached).count(), cached.count()),
            max_memory: memory.collect::<Distribution>().max(),
        }
    }

    /// The share of the signatures that were cached, from 0 to 1.
    fn cached_share(&self) -> Option<f64> {
        let (hits, lookups) = self.cached;
        let [hits, lookups] = [hits, lookups].map(|count| u32::try_from(count).ok());
        lookups
            .filter(|count| *count > 0)
            .zip(hits)
            .map(|(all, hits)| f64::from(hits) / f64::from(all))
    }

    /// The members of the JSON.
    pub(super) fn to_json(&self) -> Value {
        let settings = self.function.settings.iter();
        let settings: Map<_, _> =
            settings.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({
            "architecture": self.function.architecture,
            "memory_mb": self.function.memory,
            "settings": settings,
            "invocations": {"found": self.found, "expected": self.expected},
            "cold_starts": self.cold_starts,
            "init_duration_ms": self.init.to_json(),
            "duration_cold_ms": self.cold.to_json(),
            "duration_warm_ms": self.warm.to_json(),
            "billed_duration_ms": self.billed.to_json(),
            "kms_latency_ms": self.kms.to_json(),
            "cached_signatures": self.cached_share(),
            "max_memory_used_mb": self.max_memory,
        })
    }

    /// The cells of the table's column.
    pub(super) fn cells(&self) -> [(&'static str, String); 11] {
        let settings = self.function.settings.iter();
        let settings = settings.map(|(name, value)| format!("`{name}={value}`"));
        let megabytes =
            self.max_memory.map_or_else(String::new, |memory| format!("{memory:.0} MB"));
        let share = self.cached_share().map(|share| format!("{:.1} %", share * 100.0));
        let (found, expected) = (thousands(self.found), thousands(self.expected));
        [
            (
                "architecture, memory",
                format!("{}, {} MB", self.function.architecture, self.function.memory),
            ),
            ("settings", settings.collect::<Vec<_>>().join(", ")),
            ("invocations found in the log", format!("{found} of {expected}")),
            ("cold starts", thousands(self.cold_starts)),
            ("Init Duration", self.init.to_text()),
            ("duration, cold", self.cold.to_text()),
            ("duration, warm", self.warm.to_text()),
            ("billed duration", self.billed.to_text()),
            ("KMS latency", self.kms.to_text()),
            ("cached signatures", share.unwrap_or_default()),
            ("max memory used", megabytes),
        ]
    }
}

/// A number with a comma before every three digits.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        let texts = [0, 12, 123, 1234, 123_456, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
    }
}
