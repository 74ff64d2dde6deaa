use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time in whole seconds since 1970-01-01T00:00:00Z (`NumericDate`, RFC 7519 section 2).
///
/// Fractions in tokens are rounded up. The current time has whole seconds too, so `now < exp` and
/// `now >= nbf` have the same result for the rounded value as for the exact one.
///
/// ```
/// use std::time::Duration;
///
/// use countersign_jwt::UnixTime;
///
/// let time = UnixTime::from_seconds(60);
/// assert_eq!(time.after(Duration::from_secs(5)).seconds(), 65);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last second of the year 9999, the end of the dates of RFC 3339. Later times in tokens
    /// are refused: almost always they are milliseconds.
    pub const MAX: Self = Self(253_402_300_799);

    /// Creates a time from seconds since the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// Returns the time that is later by the whole seconds of `span`.
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// Reads the value of a claim. Returns `None` for strings, negative numbers and times after
    /// [`Self::MAX`].
    pub(crate) fn from_json(value: &serde_json::Value) -> Option<Self> {
        if let Some(seconds) = value.as_u64() {
            return Some(Self(seconds)).filter(|time| *time <= Self::MAX);
        }
        let seconds = value.as_f64().filter(|seconds| seconds.is_sign_positive())?.ceil();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "MAX and all whole numbers below it are exact in an f64"
        )]
        (seconds <= Self::MAX.0 as f64).then_some(Self(seconds as u64))
    }
}

impl From<SystemTime> for UnixTime {
    /// Drops the fraction of a second. A time before 1970 becomes the epoch.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_str};

    #[test]
    fn numeric_dates_are_rounded_up_and_limited() {
        let rows = [
            ("integer", "1911744000", Some(1_911_744_000)),
            ("zero", "0", Some(0)),
            ("fraction", "1.25", Some(2)),
            ("exponent", "1e3", Some(1000)),
            ("the last second of 9999", "253402300799", Some(253_402_300_799)),
            ("the first second after", "253402300800", None),
            ("half a second after", "253402300799.5", None),
            ("time in milliseconds", "1911744000000", None),
            ("1e300", "1e300", None),
            ("negative", "-1", None),
            ("negative fraction", "-0.5", None),
            ("negative zero", "-0.0", None),
            ("string", "\"1911744000\"", None),
            ("null", "null", None),
        ];
        for (name, text, expected) in rows {
            let value: Value = from_str(text).unwrap();
            assert_eq!(UnixTime::from_json(&value).map(UnixTime::seconds), expected, "{name}");
        }
    }
}
