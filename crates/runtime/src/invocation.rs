//! An invocation: its id, deadline and trace.

use std::time::{Duration, SystemTime};

use lambda_runtime::Context;

/// The facts about an invocation that the handler and the log line need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The request id of the invocation.
    pub request_id: String,
    /// Whether it is the first invocation of its execution environment.
    pub is_cold: bool,
    /// The id of its X-Ray trace, `1-TIME-ID`.
    pub trace_id: Option<String>,
    /// The time that the start of the environment took. Zero if the invocation did not wait for it.
    pub init_duration: Duration,
    /// The time at which Lambda ends the invocation. `None` if the host sends no time in the future, such as `cargo
    /// lambda watch`.
    pub deadline: Option<SystemTime>,
    /// The time for a response, including the start of the environment.
    pub response_time: Duration,
}

impl Invocation {
    pub(crate) fn new(
        context: Context,
        is_cold: bool,
        init_duration: Duration,
        response_time: Duration,
    ) -> Self {
        Self {
            deadline: Some(context.deadline()).filter(|deadline| *deadline > SystemTime::now()),
            trace_id: context.xray_trace_id.as_deref().and_then(trace_id),
            request_id: context.request_id,
            is_cold,
            init_duration,
            response_time,
        }
    }

    /// The time that is left for the response: its time less the start of the environment, but at most until shortly
    /// before the deadline.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.time_left_of(self.response_time)
    }

    /// Like [`Self::time_left`], with another time.
    pub(crate) fn time_left_of(&self, limit: Duration) -> Duration {
        let limit = limit.saturating_sub(self.init_duration);
        let Some(deadline) = self.deadline else { return limit };
        let until_deadline = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        limit.min(until_deadline.saturating_sub(DEADLINE_MARGIN))
    }
}

/// The trace id in an X-Ray tracing header, such as `Root=1-TIME-ID;Parent=…;Sampled=1` (AWS X-Ray Developer Guide,
/// "Tracing header"). A client may have set the header, so only an id in the documented form is used.
fn trace_id(header: &str) -> Option<String> {
    let root = header.split(';').find_map(|part| part.strip_prefix("Root="))?;
    let (time, id) = root.strip_prefix("1-")?.split_once('-')?;
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit())
    };
    (is_hex(time, 8) && is_hex(id, 24)).then(|| root.to_owned())
}

/// Reserved before the deadline for the log line and the response.
const DEADLINE_MARGIN: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_ends_at_the_limit_and_before_the_deadline() {
        let (limit, second) = (Duration::from_secs(4), Duration::from_secs(1));
        let (minute, zero) = (Some(Duration::from_mins(1)), Duration::ZERO);
        let rows = [
            ("limit before the deadline", zero, minute, limit),
            ("no deadline", zero, None, limit),
            ("limit less the start", second, minute, 3 * second),
            ("start longer than the limit", 9 * second, minute, zero),
            ("deadline before the limit", zero, Some(2 * second), Duration::from_millis(1750)),
            ("deadline reached", zero, Some(zero), zero),
        ];
        for (name, init_duration, until_deadline, expected) in rows {
            let invocation = Invocation {
                request_id: String::new(),
                is_cold: true,
                trace_id: None,
                init_duration,
                deadline: until_deadline.map(|time| SystemTime::now() + time),
                response_time: limit,
            };
            let left = invocation.time_left();
            assert!(left <= expected && left + second / 10 > expected, "{name}: {left:?}");
        }
    }

    #[test]
    fn trace_id_must_have_the_documented_form() {
        let id = "1-65a1b2c3-0123456789abcdef01234567";
        let rows = [
            (format!("Root={id};Parent=0123456789abcdef;Sampled=1"), Some(id)),
            (format!("Sampled=0;Root={id}"), Some(id)),
            (format!("Root={id}0"), None),
            (format!("Root={}", id.replace('-', "")), None),
            ("Root=1-evil text-0123456789abcdef01234567".into(), None),
            ("Parent=0123456789abcdef".into(), None),
            (String::new(), None),
        ];
        for (header, expected) in rows {
            assert_eq!(trace_id(&header).as_deref(), expected, "{header}");
        }
    }
}
