use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A moment on two clocks: between two requests a function may be frozen, and a machine asleep, and
/// the clock that never goes back may stand still then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// How long ago it was, by the clock that says more.
    pub(crate) fn elapsed(&self) -> Duration {
        // Set back, the wall clock says nothing.
        self.steady.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_that_says_more_counts() {
        let (now, hour) = (Moment::now(), Duration::from_hours(1));
        let asleep = Moment { wall: now.wall - hour, ..now };
        let set_back = Moment { wall: now.wall + hour, ..now };
        assert!(asleep.elapsed() >= hour);
        assert_eq!(set_back.elapsed(), Duration::ZERO);
        tokio::time::advance(2 * hour).await;
        assert_eq!(asleep.elapsed(), 2 * hour);
        assert_eq!(set_back.elapsed(), 2 * hour);
    }
}
