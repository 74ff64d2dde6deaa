use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Timers for what is waited for again and again.
///
/// A timer that is set anew for each wait makes tokio write to its own thread and wake up once more:
/// three of them cost a warm answer 5 µs. Here a timer of an earlier wait serves on while it would
/// end the wait by an eighth too early at most.
#[derive(Debug, Default)]
pub struct Patience(Mutex<Vec<Pin<Box<Sleep>>>>);

/// It took longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer in time")]
pub struct Overdue;

impl Patience {
    /// Waits for this work, for so long at most.
    ///
    /// # Errors
    /// When it takes longer.
    pub async fn wait<T>(
        &self,
        limit: Duration,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Overdue> {
        let end = Instant::now() + limit;
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut timer = idle.unwrap_or_else(|| Box::pin(sleep_until(end)));
        if timer.deadline() > end || timer.deadline() + limit / 8 < end {
            timer.as_mut().reset(end);
        }
        let result = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Ok(result)),
            Poll::Pending => timer.as_mut().poll(context).map(|()| Err(Overdue)),
        });
        let result = result.await;
        if result.is_ok() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(timer);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin};

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(8);

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_ends() {
        let patience = Patience::default();
        // Each row after those before it, from this many seconds later on.
        let rows = [
            ("a first wait", 0, None, 8),
            ("at once", 0, Some(0), 0),
            ("in time", 0, Some(7), 7),
            ("a second after another began", 0, None, 8),
            ("in time once more", 0, Some(5), 5),
            ("with half of a timer left", 3, Some(6), 6),
            ("long after", 100, Some(7), 7),
            ("and too long", 0, None, 8),
        ];
        for (name, later, takes, expected) in rows {
            sleep(Duration::from_secs(later)).await;
            let start = Instant::now();
            let result = match takes {
                Some(seconds) => {
                    patience.wait(LIMIT, pin!(sleep(Duration::from_secs(seconds)))).await
                }
                None => patience.wait(LIMIT, pin!(pending())).await,
            };
            assert_eq!(result.is_ok(), takes.is_some(), "{name}");
            assert_eq!(start.elapsed().as_secs(), expected, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_serves_on_for_an_eighth_of_its_time() {
        let patience = Patience::default();
        let mut left = Vec::new();
        for later in [0, 999, 1, 1, 500] {
            sleep(Duration::from_millis(later)).await;
            let start = Instant::now();
            assert_eq!(patience.wait(LIMIT, pin!(async {})).await, Ok(()));
            let timer = patience.0.lock().unwrap().first().unwrap().deadline();
            left.push((timer - start).as_millis());
        }
        assert_eq!(left, [8000, 7001, 7000, 8000, 7500]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_timer_does_not_serve_a_shorter_wait() {
        let patience = Patience::default();
        assert_eq!(patience.wait(2 * LIMIT, pin!(async {})).await, Ok(()));
        let start = Instant::now();
        assert_eq!(patience.wait(LIMIT, pin!(pending::<()>())).await, Err(Overdue));
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn several_wait_at_once() {
        let patience = Patience::default();
        let first = async { patience.wait(LIMIT, pin!(sleep(Duration::from_secs(3)))).await };
        let second = async {
            sleep(Duration::from_secs(2)).await;
            patience.wait(LIMIT, pin!(pending::<()>())).await
        };
        let start = Instant::now();
        assert_eq!(tokio::join!(first, second), (Ok(()), Err(Overdue)));
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert_eq!(patience.0.lock().unwrap().len(), 1);
    }
}
