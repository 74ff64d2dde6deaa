//! The cached key ring: when it is loaded, and which requests wait for a load.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_sdk_kms::Client;
use jwt::{Algorithm, SignedParts};
use tokio::{sync::OwnedMutexGuard, time::timeout};

use crate::{
    Cause, ErrorChain, Fault, Key, KeyName, PublishedRing, Ring, SuspendAwareInstant,
    cached_ring::{CachedRing, LoadResult, Neighbor, Neighbors, UNKNOWN_KEY_INTERVAL},
    early_verification::EarlyVerification,
};

/// The key ring of a name, loaded with `GetPublicKey` and cached.
///
/// Share one keyring in an [`Arc`]. Each method that returns a ring or a key loads the ring first if a refresh is
/// due. Of several concurrent tasks, one loads it.
///
/// ```no_run
/// use std::{sync::Arc, time::Duration};
///
/// use countersign_kms::{Client, Keyring};
///
/// # async fn load(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let refresh_interval = Duration::from_mins(5);
/// let keyring =
///     Arc::new(Keyring::new(client, "alias/countersign".parse()?, None, refresh_interval));
/// let ring = keyring.ring().await?;
/// println!("{} signs with {}", ring.current.id, ring.current.algorithm);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Keyring {
    client: Client,
    name: KeyName,
    algorithm: Option<Algorithm>,
    refresh_interval: Duration,
    cached: Mutex<Option<CachedRing>>,
    /// Held by the task that loads the ring.
    refresh_lock: Arc<tokio::sync::Mutex<()>>,
    /// Whether [`Self::prepare`] is running, and no signature is being verified meanwhile.
    may_verify_early: AtomicBool,
    /// When KMS last rejected a signature.
    last_forgery: Mutex<Option<SuspendAwareInstant>>,
    on_neighbor_fault: Option<OnNeighborFault>,
}

/// Called with an alias that a lasting fault makes unreadable, and the fault.
type OnNeighborFault = fn(&KeyName, &Fault);

impl Keyring {
    /// A keyring without a cached ring; the first request loads it.
    ///
    /// `algorithm` is the algorithm of the current key, and of the other keys whose `KeySpec` supports it. With
    /// `None`, each key has the default algorithm of its `KeySpec` (see [`algorithms`](crate::algorithms)).
    /// `refresh_interval` is the time from one load to the next.
    #[must_use]
    pub fn new(
        client: Client,
        name: KeyName,
        algorithm: Option<Algorithm>,
        refresh_interval: Duration,
    ) -> Self {
        Self {
            client,
            name,
            algorithm,
            refresh_interval,
            cached: Mutex::default(),
            refresh_lock: Arc::default(),
            may_verify_early: AtomicBool::new(false),
            last_forgery: Mutex::default(),
            on_neighbor_fault: None,
        }
    }

    /// Sets a callback for each load in which a lasting fault makes `-next` or `-previous` unreadable. Requests
    /// do not fail because of such a fault, so the callback is the only report to the operator.
    #[must_use]
    pub fn on_neighbor_fault(mut self, callback: fn(&KeyName, &Fault)) -> Self {
        self.on_neighbor_fault = Some(callback);
        self
    }

    /// Loads only the current key, to keep the start of a process short. `-next` and `-previous` are loaded when
    /// a token names an unknown key, when the ring is published, and when a refresh is due.
    ///
    /// Requests that arrive meanwhile wait for the load. One of them may ask KMS to verify its token at the same time;
    /// see [`KmsVerifier`](crate::KmsVerifier).
    ///
    /// # Errors
    /// As for [`Self::ring`].
    pub async fn prepare(&self) -> Result<(), Fault> {
        let guard = Arc::clone(&self.refresh_lock).lock_owned().await;
        self.may_verify_early.store(true, Ordering::Relaxed);
        let cached = Box::pin(self.load(guard, false)).await;
        self.may_verify_early.store(false, Ordering::Relaxed);
        cached.ring.map(|_| ())
    }

    /// Starts to verify a token with the key under the ring's name, if [`Self::prepare`] is running and no other
    /// token has been verified in this way since it began.
    pub(crate) fn verify_early(&self, parts: &SignedParts<'_>) -> Option<EarlyVerification> {
        let may_be_of_current = self.algorithm.is_none_or(|algorithm| algorithm == parts.algorithm);
        if !may_be_of_current || !self.may_verify_early.swap(false, Ordering::Relaxed) {
            return None;
        }
        EarlyVerification::start(&self.client, &self.name, parts)
    }

    /// Whether this is the cached ring's current key.
    pub(crate) fn is_current(&self, key: &Key) -> bool {
        self.cached()
            .and_then(|cached| cached.ring.ok())
            .is_some_and(|ring| ring.current.id == key.id)
    }

    /// The ring. It is not older than the refresh interval, except while KMS fails with a transient fault.
    ///
    /// # Errors
    /// If no load has succeeded yet, or if the last load failed with a lasting fault.
    pub async fn ring(self: &Arc<Self>) -> Result<Arc<Ring>, Fault> {
        match self.cached() {
            Some(cached) if !cached.is_due() => cached.ring,
            Some(cached) if cached.ring.is_ok() => self.refreshed(cached).await.ring,
            _ => self.reload(CachedRing::is_due).await.ring,
        }
    }

    /// The ring for signing. KMS confirmed its current key at most [`SIGNING_LAG`] longer ago than the refresh
    /// interval. The rotation relies on this limit to know when a replaced key no longer signs.
    pub(crate) async fn signing_ring(self: &Arc<Self>) -> Result<Arc<Ring>, Fault> {
        let cached = self.recent().await?;
        let is_expired = self.is_expired(&cached);
        match cached.faults.current {
            Some(fault) if is_expired => Err(fault),
            _ => cached.ring,
        }
    }

    /// The ring to publish as a key set. It is at most [`SIGNING_LAG`] older than the refresh interval, except
    /// while KMS fails with a transient fault.
    ///
    /// # Errors
    /// As for [`Self::ring`], and if a key whose tokens are in use may be missing: `-previous` cannot be read,
    /// and no earlier key set is still complete.
    pub async fn published_ring(self: &Arc<Self>) -> Result<PublishedRing, Fault> {
        let mut cached = self.recent().await?;
        if cached.may_become_complete() {
            cached = self.reload(CachedRing::may_become_complete).await;
        }
        cached.published()
    }

    /// The cache entry, loaded again if its current key is too old to sign.
    async fn recent(self: &Arc<Self>) -> Result<CachedRing, Fault> {
        self.ring().await?;
        match self.cached() {
            Some(cached) if !self.is_expired(&cached) => Ok(cached),
            _ => Ok(self.reload(|cached| self.is_expired(cached)).await),
        }
    }

    fn is_expired(&self, cached: &CachedRing) -> bool {
        cached.is_current_older_than(self.refresh_interval + SIGNING_LAG)
    }

    /// The key with this id, or the current key for `None`. An unknown key may be newer than the cached ring, so
    /// the ring is loaded again, but at most every 10 seconds: clients can send any key id. For the same
    /// reason, a lasting fault of an alias makes the key unknown and does not fail the request; see
    /// [`Self::on_neighbor_fault`].
    ///
    /// # Errors
    /// As for [`Self::ring`], and for an unknown key while a transient fault makes an alias unreadable: the key
    /// may exist.
    pub async fn find(self: &Arc<Self>, key_id: Option<&str>) -> Result<Option<Arc<Key>>, Fault> {
        if let Some(key) = self.ring().await?.find(key_id) {
            return Ok(Some(Arc::clone(key)));
        }
        let may_be_newer = |cached: &CachedRing| {
            cached.has_unrequested_neighbors() || cached.is_older_than(UNKNOWN_KEY_INTERVAL)
        };
        let cached = self.reload(may_be_newer).await;
        match (cached.ring?.find(key_id), cached.faults.transient()) {
            (Some(key), _) => Ok(Some(Arc::clone(key))),
            (None, Some(fault)) => Err(fault.clone()),
            (None, None) => Ok(None),
        }
    }

    /// The fault of the last load for `-next` or `-previous`, if any.
    #[must_use]
    pub fn neighbor_fault(&self) -> Option<Fault> {
        let faults = self.cached()?.faults;
        faults.next.or(faults.previous)
    }

    /// Starts a load and waits for it only for a short time. After that, the request continues with the cached
    /// ring, and the load continues in the background.
    async fn refreshed(self: &Arc<Self>, cached: CachedRing) -> CachedRing {
        let Ok(guard) = Arc::clone(&self.refresh_lock).try_lock_owned() else { return cached };
        let wait = if cached.faults.first().is_some() { Duration::ZERO } else { REFRESH_TIMEOUT };
        let keyring = Arc::clone(self);
        let load = tokio::spawn(async move { keyring.load(guard, true).await });
        match timeout(wait, load).await {
            Ok(Ok(loaded)) => loaded,
            _ => cached,
        }
    }

    /// Loads the ring if `is_needed`. Of several concurrent callers, one loads it, and the others get its result.
    async fn reload(&self, is_needed: impl Fn(&CachedRing) -> bool) -> CachedRing {
        let guard = Arc::clone(&self.refresh_lock).lock_owned().await;
        match self.cached() {
            Some(cached) if !is_needed(&cached) => cached,
            // Boxed, because a load is large and rare: it must not enlarge every request's future.
            _ => Box::pin(self.load(guard, true)).await,
        }
    }

    async fn load(&self, guard: OwnedMutexGuard<()>, request_neighbors: bool) -> CachedRing {
        // The time of the request, because an alias may move before the response arrives.
        let loaded_at = SuspendAwareInstant::now();
        let result = self.request(request_neighbors).await;
        let cached = CachedRing::new(self.cached(), result, loaded_at, self.refresh_interval);
        self.report(&cached);
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached.clone());
        drop(guard);
        cached
    }

    /// Logs the faults of a load, and reports the lasting ones of `-next` and `-previous`.
    fn report(&self, cached: &CachedRing) {
        if let Some(fault) = &cached.faults.current {
            tracing::warn!(error = %ErrorChain(fault), "the key ring could not be loaded");
            return;
        }
        for (suffix, fault) in [(NEXT, &cached.faults.next), (PREVIOUS, &cached.faults.previous)] {
            if let (Some(alias), Some(fault)) = (self.name.neighbor(suffix), fault) {
                let error = ErrorChain(fault);
                tracing::warn!(%alias, %error, "a key of the ring could not be loaded");
                let is_temporary = fault.cause.is_transient()
                    || (suffix == NEXT && cached.next_alias_may_be_new());
                if let Some(callback) = self.on_neighbor_fault.filter(|_| !is_temporary) {
                    callback(&alias, fault);
                }
            }
        }
    }

    /// Requests the keys under the aliases of the ring.
    async fn request(&self, request_neighbors: bool) -> LoadResult {
        let current = self.key(&self.name, self.algorithm);
        if !request_neighbors {
            return LoadResult { current: Box::pin(current).await, neighbors: None };
        }
        let (current, next, previous) =
            tokio::join!(current, self.neighbor(NEXT), self.neighbor(PREVIOUS));
        LoadResult { current, neighbors: Some(Neighbors { next, previous }) }
    }

    /// The key under `-next` or `-previous`, if there is a usable one.
    async fn neighbor(&self, suffix: &str) -> Neighbor {
        let Some(name) = self.name.neighbor(suffix) else { return Ok(None) };
        // A key of another KeySpec than the current key has the default algorithm of that KeySpec.
        let key = match self.key(&name, self.algorithm).await {
            Err(fault) if fault.cause == Cause::UnsupportedKey => self.key(&name, None).await,
            key => key,
        };
        match key {
            Ok(key) => Ok(Some(key)),
            Err(fault) if fault.cause.is_unusable_key() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn key(&self, name: &KeyName, algorithm: Option<Algorithm>) -> Result<Arc<Key>, Fault> {
        // Boxed for the same reason as in `reload`.
        let output = Box::pin(self.client.get_public_key().key_id(name.as_str()).send()).await;
        let output = output.map_err(|error| Fault::from_sdk_error("GetPublicKey", error))?;
        Key::from_response(name, output, algorithm).map(Arc::new)
    }

    /// Records that KMS has rejected a signature.
    pub(crate) fn record_forgery(&self) {
        *self.last_forgery.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(SuspendAwareInstant::now());
    }

    /// Whether KMS has rejected a signature within [`FORGERY_WINDOW`].
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

/// The suffixes of the ring's other aliases.
const NEXT: &str = "-next";
const PREVIOUS: &str = "-previous";
/// How long clients may cache a published key set.
pub const KEY_SET_MAX_AGE: Duration = Duration::from_mins(5);
/// How long a key may still sign after the refresh of its ring was due.
pub const SIGNING_LAG: Duration = Duration::from_mins(1);
/// How long after a rejected signature each signature is first verified locally.
const FORGERY_WINDOW: Duration = Duration::from_mins(1);
/// How long a request waits for a refresh. A load usually takes less, even with a new connection.
const REFRESH_TIMEOUT: Duration = Duration::from_millis(500);
