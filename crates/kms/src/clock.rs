//! Elapsed time that includes suspension.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// An instant that also counts the time during which the process was suspended.
///
/// Lambda freezes an execution environment between invocations, and the monotonic clock may stop meanwhile.
/// The refresh of a key ring and the time for which a replaced key may still sign depend on the time that has
/// really passed.
#[derive(Debug, Clone, Copy)]
pub struct SuspendAwareInstant {
    monotonic: Instant,
    wall: SystemTime,
}

impl SuspendAwareInstant {
    /// The current instant.
    #[must_use]
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// Whether the wall clock was set back to a time before this instant. How long the process was suspended since then
    /// is not known.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        self.wall > SystemTime::now()
    }

    /// The time since this instant: the longer of the monotonic and the wall clock's elapsed time.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        // A wall clock that was set back has no elapsed time.
        self.monotonic.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

#[cfg(test)]
impl SuspendAwareInstant {
    /// This instant as it looks after a suspension: the wall clock has advanced, the monotonic clock has not.
    pub(crate) fn before_suspension_of(self, time: Duration) -> Self {
        Self { wall: self.wall - time, ..self }
    }

    /// This instant as it looks after the wall clock was set back.
    pub(crate) fn before_correction_of(self, time: Duration) -> Self {
        Self { wall: self.wall + time, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn elapsed_is_the_longer_time_of_both_clocks() {
        let (now, hour) = (SuspendAwareInstant::now(), Duration::from_hours(1));
        let suspended = now.before_suspension_of(hour);
        let set_back = now.before_correction_of(hour);
        assert!(suspended.elapsed() >= hour);
        assert!(set_back.is_ahead() && !suspended.is_ahead());
        assert_eq!(set_back.elapsed(), Duration::ZERO);
        tokio::time::advance(2 * hour).await;
        assert_eq!(suspended.elapsed(), 2 * hour);
        assert_eq!(set_back.elapsed(), 2 * hour);
    }
}
