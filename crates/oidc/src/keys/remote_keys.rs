//! The cached keys of one issuer: when they are fetched, and how long they are used.

use std::{
    error::Error,
    iter,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jwt::Algorithm;
use tokio::sync::MutexGuard;

use super::{
    error::{IssuerFault, KeysError},
    fetch::{RemoteSource, fetch},
    issuer_keys::IssuerKeys,
    suspend_aware_time::SuspendAwareTime,
};
use crate::{FetchError, HttpClient};

/// The keys that an issuer publishes.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    issuer: String,
    source: RemoteSource,
    algorithms: Vec<Algorithm>,
    http: HttpClient,
    cached: Mutex<Cached>,
    /// Held by the request that fetches the keys.
    fetch_lock: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Cached {
    /// The last keys, and when they were fetched.
    keys: Option<(Arc<IssuerKeys>, SuspendAwareTime)>,
    /// When the last attempt ended; when it began, as long as it has not ended.
    attempted_at: Option<SuspendAwareTime>,
    /// How many attempts have failed since the last one that succeeded.
    failures: usize,
    /// Whether the last attempt took all of its time.
    has_timed_out: bool,
    /// Why the last attempt failed.
    fault: Option<IssuerFault>,
}

impl RemoteKeys {
    pub(crate) fn new(
        issuer: String,
        source: RemoteSource,
        algorithms: Vec<Algorithm>,
        http: HttpClient,
    ) -> Self {
        let (cached, fetch_lock) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { issuer, source, algorithms, http, cached, fetch_lock }
    }

    /// The keys, not older than [`MAX_AGE`], or than [`MAX_STALE_AGE`] while they cannot be fetched.
    pub(crate) async fn current(
        &self,
        now: SuspendAwareTime,
    ) -> Result<Arc<IssuerKeys>, IssuerFault> {
        let cached = self.cached();
        if let Some(keys) = cached.keys_within(MAX_AGE, now) {
            return Ok(keys);
        }
        if let Some(keys) = cached.keys_within(MAX_STALE_AGE, now) {
            // One request waits for newer keys, and the others continue with these.
            return match self.fetch_lock.try_lock() {
                Ok(guard) if self.cached().is_attempt_due(now) => {
                    self.fetch(&guard, now).await;
                    self.servable(now)
                }
                _ => Ok(keys),
            };
        }
        let guard = self.fetch_lock.lock().await;
        // Another request may have attempted a fetch while this one waited.
        if self.cached().is_attempt_due(now) {
            self.fetch(&guard, now).await;
        }
        self.servable(now)
    }

    /// Newer keys than these, for a token that may be signed with one of them. `None` if there are no newer keys, or
    /// if the keys were fetched just now: callers can name any key.
    pub(crate) async fn newer_than(
        &self,
        known: &Arc<IssuerKeys>,
        now: SuspendAwareTime,
    ) -> Result<Option<Arc<IssuerKeys>>, IssuerFault> {
        let is_known = |keys: &Arc<IssuerKeys>| Arc::ptr_eq(keys, known);
        let guard = self.fetch_lock.lock().await;
        let cached = self.cached();
        if cached.keys.as_ref().is_some_and(|(keys, _)| is_known(keys))
            && cached.is_attempt_due(now)
        {
            self.fetch(&guard, now).await;
        }
        let cached = self.cached();
        let has_keys = cached.keys_within(MAX_STALE_AGE, now).is_some();
        match (cached.keys, cached.fault) {
            (Some((keys, _)), _) if !is_known(&keys) => Ok(Some(keys)),
            // The key may exist.
            (_, Some(fault)) => Err(IssuerFault { has_keys, ..fault }),
            (_, None) => Ok(None),
        }
    }

    /// The keys as long as they may be used.
    fn servable(&self, now: SuspendAwareTime) -> Result<Arc<IssuerKeys>, IssuerFault> {
        let cached = self.cached();
        let fault = || cached.fault.clone().unwrap_or_else(|| self.fault(KeysError::Interrupted));
        cached.keys_within(MAX_STALE_AGE, now).ok_or_else(fault)
    }

    /// Fetches the keys. The attempt is recorded before it begins, so that a dropped attempt counts too.
    async fn fetch(&self, _guard: &MutexGuard<'_, ()>, now: SuspendAwareTime) {
        self.update(|cached| {
            cached.attempted_at = Some(now);
            cached.failures = cached.failures.saturating_add(1);
            cached.has_timed_out = false;
            cached.fault = Some(self.fault(KeysError::Interrupted));
        });
        // Boxed, because a fetch is large and rare: it must not enlarge every request's future.
        let fetched =
            Box::pin(fetch(&self.http, &self.issuer, &self.source, &self.algorithms)).await;
        // Counted from the end of the attempt, because each attempt at a slow provider delays a request.
        let ended_at = now.and_elapsed();
        match fetched {
            Ok(keys) => self.update(|cached| {
                cached.keys = Some((Arc::new(keys), now));
                cached.attempted_at = Some(ended_at);
                cached.failures = 0;
                cached.fault = None;
            }),
            Err(error) => {
                // The issuer may have withdrawn its keys.
                let has_withdrawn_keys = matches!(error, KeysError::NoUsableKey);
                let has_timed_out =
                    matches!(&error, KeysError::Fetch { error: FetchError::Timeout, .. });
                let fault = self.fault(error);
                let problem = with_sources(&*fault.error);
                tracing::warn!(
                    issuer = self.issuer,
                    error = problem,
                    "the keys of a trusted issuer could not be fetched"
                );
                self.update(|cached| {
                    cached.attempted_at = Some(ended_at);
                    cached.has_timed_out = has_timed_out;
                    cached.fault = Some(fault);
                    if has_withdrawn_keys {
                        cached.keys = None;
                    }
                });
            }
        }
    }

    fn fault(&self, error: KeysError) -> IssuerFault {
        IssuerFault::new(&self.issuer, error)
    }

    fn cached(&self) -> Cached {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, change: impl FnOnce(&mut Cached)) {
        change(&mut self.cached.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Cached {
    fn keys_within(&self, age: Duration, now: SuspendAwareTime) -> Option<Arc<IssuerKeys>> {
        let (keys, fetched_at) = self.keys.as_ref()?;
        (now.since(*fetched_at) < age).then(|| Arc::clone(keys))
    }

    fn is_attempt_due(&self, now: SuspendAwareTime) -> bool {
        let has_keys = self.keys_within(MAX_STALE_AGE, now).is_some();
        let index = self.failures.saturating_sub(1);
        let cooldown = if has_keys || self.has_timed_out {
            COOLDOWN
        } else {
            COOLDOWNS_WITHOUT_KEYS.get(index).copied().unwrap_or(COOLDOWN)
        };
        self.attempted_at.is_none_or(|at| now.since(at) >= cooldown)
    }
}

/// An error and its sources in one line.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let sources = iter::successors(Some(error), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// When keys are fetched again. A key that the issuer no longer publishes is used no longer than this.
const MAX_AGE: Duration = Duration::from_mins(10);
/// How long keys are used while newer ones cannot be fetched.
const MAX_STALE_AGE: Duration = Duration::from_hours(1);
/// The shortest time from one attempt to the next.
const COOLDOWN: Duration = Duration::from_secs(30);
/// The cooldowns after the first failures while there are no keys. Requests in between fail at once.
const COOLDOWNS_WITHOUT_KEYS: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20)];
