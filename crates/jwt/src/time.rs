use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time in whole seconds since 1970-01-01T00:00:00Z (RFC 7519, `NumericDate`).
///
/// A fraction in a token is rounded up: since the clock is read in whole seconds too, `now < exp`
/// and `now >= nbf` answer the same for the rounded value as for the exact one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last second of the year 9999, where the date formats of RFC 3339 end. A later
    /// `NumericDate` is refused: it is almost always one in milliseconds.
    pub const MAX: Self = Self(253_402_300_799);

    /// A time from its seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// This time and `span` later, in whole seconds.
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// Reads a claim's value. Strings, negatives and values past [`Self::MAX`] are no times.
    pub(crate) fn from_json(value: &serde_json::Value) -> Option<Self> {
        if let Some(seconds) = value.as_u64() {
            return Some(Self(seconds)).filter(|time| *time <= Self::MAX);
        }
        let seconds = value.as_f64().filter(|seconds| seconds.is_sign_positive())?.ceil();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the bound is exact in an f64, and below it so is the cast"
        )]
        (seconds <= Self::MAX.0 as f64).then_some(Self(seconds as u64))
    }
}

impl From<SystemTime> for UnixTime {
    /// A clock set before 1970 reads as the epoch itself.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_str};

    #[test]
    fn numeric_dates() {
        let rows = [
            ("an integer", "1911744000", Some(1_911_744_000)),
            ("zero", "0", Some(0)),
            ("a fraction is rounded up", "1.25", Some(2)),
            ("an exponent", "1e3", Some(1000)),
            ("the last second of 9999", "253402300799", Some(253_402_300_799)),
            ("the first second after", "253402300800", None),
            ("half a second after", "253402300799.5", None),
            ("milliseconds", "1911744000000", None),
            ("huge", "1e300", None),
            ("negative", "-1", None),
            ("negative fraction", "-0.5", None),
            ("negative zero", "-0.0", None),
            ("a string", "\"1911744000\"", None),
            ("null", "null", None),
        ];
        for (name, text, expected) in rows {
            let value: Value = from_str(text).unwrap();
            assert_eq!(UnixTime::from_json(&value).map(UnixTime::seconds), expected, "{name}");
        }
    }
}
