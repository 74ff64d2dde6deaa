//! Times and durations in the forms that the commands take and print.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jwt::UnixTime;

/// The current time of this machine's clock.
pub(crate) fn now() -> UnixTime {
    SystemTime::now().into()
}

/// The time of an option, in seconds since 1970.
pub(crate) fn parse_seconds(text: &str) -> Result<UnixTime, String> {
    let time = text.parse().ok().map(UnixTime::from_seconds);
    let problem = "must be a whole number of seconds since 1970";
    time.filter(|time| *time <= UnixTime::MAX).ok_or_else(|| problem.to_owned())
}

/// The time of an option, in seconds since 1970 or as a date with a time (RFC 3339).
pub(crate) fn parse_time(text: &str) -> Result<UnixTime, String> {
    let date = || humantime::parse_rfc3339(text).map(SystemTime::into);
    parse_seconds(text).or_else(|_| date()).map_err(|_| {
        "must be a whole number of seconds since 1970, or a time such as 2026-11-23T21:44:21Z"
            .into()
    })
}

/// A point in time and its distance from now: `2026-11-23 21:44:21 UTC (in 59 minutes)`.
pub(crate) struct HumanTime {
    pub(crate) time: UnixTime,
    pub(crate) now: UnixTime,
}

impl fmt::Display for HumanTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, now) = (self.time.min(UnixTime::MAX).seconds(), self.now.seconds());
        let date = UNIX_EPOCH + Duration::from_secs(time);
        let date = humantime::format_rfc3339_seconds(date).to_string();
        let date = date.replace('T', " ").replace('Z', " UTC");
        if time > now {
            write!(f, "{date} (in {})", HumanDuration(time - now))
        } else {
            write!(f, "{date} ({} ago)", HumanDuration(now - time))
        }
    }
}

/// A number of seconds, in the largest unit that gives at least 2: 90 minutes rather than one hour.
pub(crate) struct HumanDuration(pub(crate) u64);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
        let unit = units.into_iter().find(|(seconds, _)| self.0 >= 2 * seconds);
        let (seconds, name) = unit.unwrap_or((1, "second"));
        let count = self.0 / seconds;
        write!(f, "{count} {name}{}", if count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_an_option_has_two_forms() {
        let rows = [
            ("1700000000", Some(1_700_000_000), Some(1_700_000_000)),
            ("253402300799", Some(253_402_300_799), Some(253_402_300_799)),
            ("253402300800", None, None),
            ("2023-11-14T22:13:20Z", None, Some(1_700_000_000)),
            ("yesterday", None, None),
            ("-1", None, None),
        ];
        for (text, seconds, time) in rows {
            let read = |time: Result<UnixTime, String>| time.ok().map(UnixTime::seconds);
            assert_eq!(
                (read(parse_seconds(text)), read(parse_time(text))),
                (seconds, time),
                "{text}"
            );
        }
    }

    #[test]
    fn times_have_their_distance_in_a_fitting_unit() {
        let (hour, day) = (3600, 86_400);
        let rows = [
            (1_700_000_000, "2023-11-14 22:13:20 UTC (0 seconds ago)"),
            (1_700_000_001, "2023-11-14 22:13:21 UTC (in 1 second)"),
            (1_700_000_000 + 119, "2023-11-14 22:15:19 UTC (in 119 seconds)"),
            (1_700_000_000 - 120, "2023-11-14 22:11:20 UTC (2 minutes ago)"),
            (1_700_000_000 + 2 * hour - 1, "2023-11-15 00:13:19 UTC (in 119 minutes)"),
            (1_700_000_000 + 2 * hour, "2023-11-15 00:13:20 UTC (in 2 hours)"),
            (1_700_000_000 - 2 * day, "2023-11-12 22:13:20 UTC (2 days ago)"),
            (u64::MAX, "9999-12-31 23:59:59 UTC (in 2913221 days)"),
        ];
        let now = UnixTime::from_seconds(1_700_000_000);
        for (time, expected) in rows {
            let time = UnixTime::from_seconds(time);
            assert_eq!(HumanTime { time, now }.to_string(), expected);
        }
    }
}
