use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// A request that is to be held back: after how many others, and who is told.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<(u64, oneshot::Sender<()>)>>);

impl Hold {
    pub(super) fn after(&self, requests: u64) -> oneshot::Receiver<()> {
        let (held, told) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((requests, held));
        told
    }

    /// Whether it is this request.
    pub(super) fn takes(&self) -> bool {
        let mut hold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match hold.take() {
            Some((0, held)) => {
                // Nobody may be left who waits for it.
                let _ = held.send(());
                true
            }
            Some((requests, held)) => {
                *hold = Some((requests - 1, held));
                false
            }
            None => false,
        }
    }
}
