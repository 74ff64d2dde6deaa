use std::time::Duration;

use jwt::UnixTime;
use tokio::time::Instant;

/// A time that also counts the time during which the process was suspended.
///
/// Lambda freezes an execution environment between invocations, and the monotonic clock may stop meanwhile. The wall
/// clock, which the caller reads, advances meanwhile, but may be set back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SuspendAwareTime {
    wall: UnixTime,
    monotonic: Instant,
}

impl SuspendAwareTime {
    /// The current time, with this time of the wall clock.
    pub(crate) fn at(wall: UnixTime) -> Self {
        Self { wall, monotonic: Instant::now() }
    }

    /// The current time: this time plus the time that has passed since.
    pub(crate) fn and_elapsed(self) -> Self {
        let monotonic = Instant::now();
        let elapsed = monotonic.saturating_duration_since(self.monotonic);
        Self { wall: self.wall.after(elapsed), monotonic }
    }

    /// The time since `earlier`: the longer of the elapsed times of both clocks.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.seconds().saturating_sub(earlier.wall.seconds());
        self.monotonic.saturating_duration_since(earlier.monotonic).max(Duration::from_secs(wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn elapsed_is_the_longer_time_of_both_clocks() {
        let at = |seconds| SuspendAwareTime::at(UnixTime::from_seconds(seconds));
        let start = at(1000);
        assert_eq!(at(1000).since(start), Duration::ZERO);
        assert_eq!(at(4600).since(start), Duration::from_hours(1), "suspended");
        tokio::time::advance(Duration::from_mins(5)).await;
        assert_eq!(at(1000).since(start), Duration::from_mins(5));
        assert_eq!(at(10).since(start), Duration::from_mins(5), "the wall clock was set back");
        assert_eq!(at(1600).since(start), Duration::from_mins(10));
    }
}
