use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_kms::Client;
use jwt::Algorithm;
use tokio::{sync::OwnedMutexGuard, time::timeout};

use crate::{
    Cause, ErrorChain, Fault, Key, KeyName, PublishedRing, Ring, SuspendAwareInstant,
    cached_ring::{CachedRing, Loaded, Neighbor, Neighbors},
};

/// The ring as KMS has it, loaded again when it is due.
#[derive(Debug)]
pub struct Keyring {
    client: Client,
    name: KeyName,
    algorithm: Option<Algorithm>,
    refresh: Duration,
    cached: Mutex<Option<CachedRing>>,
    /// Of several tasks that want the ring loaded, one loads it.
    refresh_lock: Arc<tokio::sync::Mutex<()>>,
    /// When KMS last refused a signature.
    last_forgery: Mutex<Option<SuspendAwareInstant>>,
    on_neighbor_fault: Option<OnNeighborFault>,
}

/// Called with an alias that cannot be read for a lasting reason.
type OnNeighborFault = fn(&KeyName, &Fault);

impl Keyring {
    /// A ring that is loaded when it is first asked for. The algorithm is the signing key's; none
    /// is the usual one of its kind.
    #[must_use]
    pub fn new(
        client: Client,
        name: KeyName,
        algorithm: Option<Algorithm>,
        refresh: Duration,
    ) -> Self {
        Self {
            client,
            name,
            algorithm,
            refresh,
            cached: Mutex::default(),
            refresh_lock: Arc::default(),
            last_forgery: Mutex::default(),
            on_neighbor_fault: None,
        }
    }

    /// Has this called once for each load in which `-next` or `-previous` cannot be read for a lasting
    /// reason. Requests do not fail by it, so the operator has to be told otherwise.
    #[must_use]
    pub fn on_neighbor_fault(mut self, report: OnNeighborFault) -> Self {
        self.on_neighbor_fault = Some(report);
        self
    }

    /// Asks for the key that signs, and not yet for those beside it: what a start cannot do without.
    /// The others are asked for when a token names one, when the ring is published, and when a
    /// refresh is due.
    ///
    /// # Errors
    /// As for [`Self::ring`].
    pub async fn prepare(&self) -> Result<(), Fault> {
        let guard = Arc::clone(&self.refresh_lock).lock_owned().await;
        Box::pin(self.load(guard, false)).await.ring.map(|_| ())
    }

    /// The ring, not older than the refresh interval, or as old as KMS is out of reach.
    ///
    /// # Errors
    /// When there never was a ring, and when KMS says that there is none any more.
    pub async fn ring(self: &Arc<Self>) -> Result<Arc<Ring>, Fault> {
        match self.cached() {
            Some(cached) if !cached.is_due() => cached.ring,
            Some(cached) if cached.ring.is_ok() => self.refreshed(cached).await.ring,
            _ => self.reload(CachedRing::is_due).await.ring,
        }
    }

    /// The ring by which a token may be signed: one that was KMS's [`SIGNING_LAG`] after the refresh
    /// interval at most. A rotation counts on it, to know which tokens of an old key still live.
    pub(crate) async fn signing_ring(self: &Arc<Self>) -> Result<Arc<Ring>, Fault> {
        let cached = self.recent().await?;
        let is_old = self.is_old(&cached);
        match cached.faults.current {
            Some(fault) if is_old => Err(fault),
            _ => cached.ring,
        }
    }

    /// The ring as it is published: as old as one that signs at most, or as KMS is out of reach.
    ///
    /// # Errors
    /// As for [`Self::ring`], and when a key may be missing whose tokens are in use: `-previous` cannot be
    /// read, and there is no earlier key set that is still complete.
    pub async fn published_ring(self: &Arc<Self>) -> Result<PublishedRing, Fault> {
        let mut cached = self.recent().await?;
        if cached.may_become_complete() {
            cached = self.reload(CachedRing::may_become_complete).await;
        }
        cached.published()
    }

    async fn recent(self: &Arc<Self>) -> Result<CachedRing, Fault> {
        self.ring().await?;
        match self.cached() {
            Some(cached) if !self.is_old(&cached) => Ok(cached),
            _ => Ok(self.reload(|cached| self.is_old(cached)).await),
        }
    }

    fn is_old(&self, cached: &CachedRing) -> bool {
        cached.is_current_older_than(self.refresh + SIGNING_LAG)
    }

    /// The key of this id. An unknown one may be newer than the ring that is cached, so KMS is asked
    /// again, though not more often than every 10 s: clients can make up ids. For the same reason, an
    /// alias that cannot be read for a lasting reason makes the key unknown, and not the request a fault:
    /// see [`Self::on_neighbor_fault`].
    ///
    /// # Errors
    /// As for [`Self::ring`], and for an unknown key while a transient fault keeps an alias from being
    /// read: the key may exist.
    pub async fn find(self: &Arc<Self>, key_id: Option<&str>) -> Result<Option<Arc<Key>>, Fault> {
        if let Some(key) = self.ring().await?.find(key_id) {
            return Ok(Some(Arc::clone(key)));
        }
        let is_time = |cached: &CachedRing| {
            cached.may_have_more() || cached.is_older_than(UNKNOWN_KEY_INTERVAL)
        };
        let cached = self.reload(is_time).await;
        match (cached.ring?.find(key_id), cached.faults.transient()) {
            (Some(key), _) => Ok(Some(Arc::clone(key))),
            (None, Some(fault)) => Err(fault.clone()),
            (None, None) => Ok(None),
        }
    }

    /// Why a key of the ring may be unknown, if `-next` or `-previous` could not be read when the ring was
    /// last loaded.
    #[must_use]
    pub fn neighbor_fault(&self) -> Option<Fault> {
        let faults = self.cached()?.faults;
        faults.next.or(faults.previous)
    }

    /// What KMS has now, if it says so in a moment. A ring that works does not make a request wait
    /// for a KMS that does not: it serves on while KMS is asked.
    async fn refreshed(self: &Arc<Self>, cached: CachedRing) -> CachedRing {
        let Ok(guard) = Arc::clone(&self.refresh_lock).try_lock_owned() else { return cached };
        let patience =
            if cached.faults.first().is_some() { Duration::ZERO } else { REFRESH_TIMEOUT };
        let keyring = Arc::clone(self);
        let load = tokio::spawn(async move { keyring.load(guard, true).await });
        match timeout(patience, load).await {
            Ok(Ok(fresh)) => fresh,
            _ => cached,
        }
    }

    /// Asks KMS if it is time. Of several callers one asks, and the others take what it got.
    async fn reload(&self, is_time: impl Fn(&CachedRing) -> bool) -> CachedRing {
        let guard = Arc::clone(&self.refresh_lock).lock_owned().await;
        match self.cached() {
            Some(cached) if !is_time(&cached) => cached,
            // Large, and rare: not to be a part of every request.
            _ => Box::pin(self.load(guard, true)).await,
        }
    }

    async fn load(&self, guard: OwnedMutexGuard<()>, request_neighbors: bool) -> CachedRing {
        // Before the answer: the alias may move while it is on its way.
        let loaded_at = SuspendAwareInstant::now();
        let loaded = self.request(request_neighbors).await;
        let cached = CachedRing::new(self.cached(), loaded, loaded_at, self.refresh);
        self.report(&cached);
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached.clone());
        drop(guard);
        cached
    }

    fn report(&self, cached: &CachedRing) {
        if let Some(fault) = &cached.faults.current {
            tracing::warn!(error = %ErrorChain(fault), "the key ring could not be loaded");
            return;
        }
        for (suffix, fault) in [(NEXT, &cached.faults.next), (PREVIOUS, &cached.faults.previous)] {
            if let (Some(alias), Some(fault)) = (self.name.neighbor(suffix), fault) {
                let error = ErrorChain(fault);
                tracing::warn!(%alias, %error, "a key of the ring could not be loaded");
                let may_pass =
                    fault.cause.is_transient() || (suffix == NEXT && cached.next_may_be_new());
                if let Some(report) = self.on_neighbor_fault.filter(|_| !may_pass) {
                    report(&alias, fault);
                }
            }
        }
    }

    /// What KMS has under the aliases of the ring.
    async fn request(&self, request_neighbors: bool) -> Loaded {
        let current = self.key(&self.name, self.algorithm);
        if !request_neighbors {
            return Loaded { current: Box::pin(current).await, neighbors: None };
        }
        let (current, next, previous) =
            tokio::join!(current, self.neighbor(NEXT), self.neighbor(PREVIOUS));
        Loaded { current, neighbors: Some(Neighbors { next, previous }) }
    }

    /// The key under an alias beside the current one, if there is one.
    async fn neighbor(&self, suffix: &str) -> Neighbor {
        let Some(name) = self.name.neighbor(suffix) else { return Ok(None) };
        // Of another kind than the current key, it has an algorithm of its own.
        let key = match self.key(&name, self.algorithm).await {
            Err(fault) if fault.cause == Cause::UnsupportedKey => self.key(&name, None).await,
            key => key,
        };
        match key {
            Ok(key) => Ok(Some(key)),
            // Not there, or taken out of service.
            Err(fault) if matches!(fault.cause, Cause::NotFound | Cause::KeyState) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn key(&self, name: &KeyName, algorithm: Option<Algorithm>) -> Result<Arc<Key>, Fault> {
        // Boxed, as it is large and rare: it must not be a part of every request's future.
        let answer = Box::pin(self.client.get_public_key().key_id(name.as_str()).send()).await;
        let answer = answer.map_err(|error| Fault::of("GetPublicKey", error))?;
        Key::read(name, answer, algorithm).map(Arc::new)
    }

    /// Records that KMS has refused a signature.
    pub(crate) fn record_forgery(&self) {
        *self.last_forgery.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(SuspendAwareInstant::now());
    }

    /// Whether KMS has refused a signature of late.
    pub(crate) fn recently_forged(&self) -> bool {
        let last = *self.last_forgery.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < FORGERY_WINDOW)
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    fn cached(&self) -> Option<CachedRing> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The aliases beside the one of the ring.
const NEXT: &str = "-next";
const PREVIOUS: &str = "-previous";
/// How long caches may keep a published key set.
pub const KEY_SET_MAX_AGE: Duration = Duration::from_mins(5);
/// How long after a refresh was due a key may still sign.
pub const SIGNING_LAG: Duration = Duration::from_mins(1);
/// How often made-up key ids can make KMS be asked.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(10);
/// How long after a forged signature KMS is not asked about the next one unseen.
const FORGERY_WINDOW: Duration = Duration::from_mins(1);
/// How long a request waits for a refresh: some times what KMS takes, with a new connection.
const REFRESH_TIMEOUT: Duration = Duration::from_millis(500);
