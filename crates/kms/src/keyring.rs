use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_kms::Client;
use jwt::Algorithm;
use tokio::{
    sync::{Mutex as Turn, OwnedMutexGuard},
    time::timeout,
};

use crate::{Cause, Fault, Key, KeyName, Ring, clock::SuspendAwareInstant, telemetry::Chain};

/// The ring as KMS has it, loaded again when it is due.
#[derive(Debug)]
pub struct Keyring {
    client: Client,
    name: KeyName,
    algorithm: Option<Algorithm>,
    refresh: Duration,
    held: Mutex<Option<Held>>,
    /// Of several that want the ring loaded, one loads it.
    turn: Arc<Turn<()>>,
    /// When KMS last refused a signature.
    forged: Mutex<Option<SuspendAwareInstant>>,
}

#[derive(Debug, Clone)]
struct Held {
    ring: Result<Arc<Ring>, Fault>,
    /// Whether the keys beside the current one have been asked for.
    whole: bool,
    /// Why something of it is not known, or not as KMS has it now.
    failed: Option<Fault>,
    /// When KMS last said which key signs.
    known: SuspendAwareInstant,
    asked: SuspendAwareInstant,
    /// How long after that it is asked again.
    wait: Duration,
}

impl Held {
    fn is_due(&self) -> bool {
        self.asked.elapsed() >= self.wait
    }

    /// Whether there may be more to it than is known, and nothing that would be in the way.
    fn is_open(&self) -> bool {
        !self.whole && self.failed.is_none()
    }
}

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
        let (held, turn, forged) = (Mutex::default(), Arc::default(), Mutex::default());
        Self { client, name, algorithm, refresh, held, turn, forged }
    }

    /// Asks for the key that signs, and not yet for those beside it: what a start cannot do without.
    /// The others are asked for when a token names one, when the ring is published, and when a
    /// refresh is due.
    ///
    /// # Errors
    /// As for [`Self::ring`].
    pub(crate) async fn prepare(&self) -> Result<(), Fault> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        Box::pin(self.load(turn, false)).await.ring.map(|_| ())
    }

    /// The ring, not older than the refresh interval, or as old as KMS is out of reach.
    ///
    /// # Errors
    /// When there never was a ring, and when KMS says that there is none any more.
    pub async fn ring(self: &Arc<Self>) -> Result<Arc<Ring>, Fault> {
        match self.held() {
            Some(held) if !held.is_due() => held.ring,
            Some(held) if held.ring.is_ok() => self.refreshed(held).await.ring,
            _ => self.reload(Held::is_due).await.ring,
        }
    }

    /// The ring by which a token may be signed: one that was KMS's [`SIGNING_LAG`] after the refresh
    /// interval at most. A rotation counts on it, to know which tokens of an old key still live.
    pub(crate) async fn signing_ring(self: &Arc<Self>) -> Result<Arc<Ring>, Fault> {
        let held = self.recent().await?;
        match held.failed {
            Some(fault) if self.is_old(&held) => Err(fault),
            _ => held.ring,
        }
    }

    /// The ring as it is published: as old as one that signs at most, or as KMS is out of reach.
    ///
    /// # Errors
    /// As for [`Self::ring`].
    pub async fn published_ring(self: &Arc<Self>) -> Result<Arc<Ring>, Fault> {
        let mut held = self.recent().await?;
        if held.is_open() {
            held = self.reload(Held::is_open).await;
        }
        match held.failed {
            Some(fault) if !held.whole => Err(fault),
            _ => held.ring,
        }
    }

    async fn recent(self: &Arc<Self>) -> Result<Held, Fault> {
        self.ring().await?;
        match self.held() {
            Some(held) if !self.is_old(&held) => Ok(held),
            _ => Ok(self.reload(|held| self.is_old(held)).await),
        }
    }

    fn is_old(&self, held: &Held) -> bool {
        held.known.elapsed() >= self.refresh + SIGNING_LAG
    }

    /// The key of this id. An unknown one may be newer than the ring that is held, so KMS is asked
    /// again, though not more often than every 10 s: anybody can make up ids.
    ///
    /// # Errors
    /// As for [`Self::ring`], and when KMS could not be asked for an unknown key: nobody knows then
    /// that there is none.
    pub async fn find(self: &Arc<Self>, key_id: Option<&str>) -> Result<Option<Arc<Key>>, Fault> {
        if let Some(key) = self.ring().await?.find(key_id) {
            return Ok(Some(Arc::clone(key)));
        }
        let is_time = |held: &Held| held.is_open() || held.asked.elapsed() >= UNKNOWN_KEY_INTERVAL;
        let held = self.reload(is_time).await;
        match (held.ring?.find(key_id), held.failed) {
            (Some(key), _) => Ok(Some(Arc::clone(key))),
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(None),
        }
    }

    /// What KMS has now, if it says so in a moment. A ring that works does not make a request wait
    /// for a KMS that does not: it serves on while KMS is asked.
    async fn refreshed(self: &Arc<Self>, held: Held) -> Held {
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else { return held };
        let patience = if held.failed.is_some() { Duration::ZERO } else { PATIENCE };
        let keyring = Arc::clone(self);
        let load = tokio::spawn(async move { keyring.load(turn, true).await });
        match timeout(patience, load).await {
            Ok(Ok(fresh)) => fresh,
            _ => held,
        }
    }

    /// Asks KMS if it is time. Of several callers one asks, and the others take what it got.
    async fn reload(&self, is_time: impl Fn(&Held) -> bool) -> Held {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        match self.held() {
            Some(held) if !is_time(&held) => held,
            // Large, and rare: not to be a part of every request.
            _ => Box::pin(self.load(turn, true)).await,
        }
    }

    async fn load(&self, turn: OwnedMutexGuard<()>, whole: bool) -> Held {
        let held = self.held();
        let was_whole = held.as_ref().is_some_and(|held| held.whole);
        let known = held.as_ref().map(|held| held.known);
        let last = held.and_then(|held| held.ring.ok());
        // Before the answer: the alias may move while it is on its way.
        let asked = SuspendAwareInstant::now();
        let (ring, failed) = self.ask(last.as_deref(), whole).await;
        for fault in ring.as_ref().err().into_iter().chain(&failed) {
            tracing::warn!(error = %Chain(fault), "the key ring could not be loaded");
        }
        let held = match ring {
            Ok(ring) => {
                let soon = failed.as_ref().is_some_and(|fault| fault.cause.is_transient());
                let wait = if soon { RETRY.min(self.refresh) } else { self.refresh };
                Held { ring: Ok(Arc::new(ring)), whole, failed, known: asked, asked, wait }
            }
            Err(fault) => {
                // Out of reach, the last good ring serves on. What KMS says counts at once.
                let last = last.filter(|_| fault.cause.is_transient());
                let retry = if last.is_some() { RETRY } else { FIRST_RETRY };
                let wait = retry.min(self.refresh);
                let (ring, known) = (last.ok_or_else(|| fault.clone()), known.unwrap_or(asked));
                Held { ring, whole: was_whole, failed: Some(fault), known, asked, wait }
            }
        };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        drop(turn);
        held
    }

    /// The ring as KMS has it, and why one of the keys beside the current one is not known.
    async fn ask(&self, last: Option<&Ring>, whole: bool) -> (Result<Ring, Fault>, Option<Fault>) {
        if !whole {
            let current = Box::pin(self.key(&self.name, self.algorithm)).await;
            return (current.map(|current| Ring { current, next: None, previous: None }), None);
        }
        let (current, next, previous) = tokio::join!(
            self.key(&self.name, self.algorithm),
            self.beside("-next", last.and_then(|ring| ring.next.as_ref())),
            self.beside("-previous", last.and_then(|ring| ring.previous.as_ref())),
        );
        let ((next, next_failed), (previous, previous_failed)) = (next, previous);
        let ring = current.map(|current| Ring { current, next, previous });
        (ring, next_failed.or(previous_failed))
    }

    /// The key under an alias beside the current one, if there is one.
    async fn beside(
        &self,
        suffix: &str,
        last: Option<&Arc<Key>>,
    ) -> (Option<Arc<Key>>, Option<Fault>) {
        let Some(name) = self.name.beside(suffix) else { return (None, None) };
        // Of another kind than the current key, it has an algorithm of its own.
        let key = match self.key(&name, self.algorithm).await {
            Err(fault) if fault.cause == Cause::Unfit => self.key(&name, None).await,
            key => key,
        };
        match key {
            Ok(key) => (Some(key), None),
            // Not there, or taken out of service.
            Err(fault) if matches!(fault.cause, Cause::NotFound | Cause::KeyState) => (None, None),
            Err(fault) => {
                let last = last.filter(|_| fault.cause.is_transient()).cloned();
                (last, Some(fault))
            }
        }
    }

    async fn key(&self, name: &KeyName, algorithm: Option<Algorithm>) -> Result<Arc<Key>, Fault> {
        // Boxed, as it is large and rare: it must not be a part of every request's future.
        let answer = Box::pin(self.client.get_public_key().key_id(name.as_str()).send()).await;
        let answer = answer.map_err(|error| Fault::of("GetPublicKey", error))?;
        Key::read(name, answer, algorithm).map(Arc::new)
    }

    /// From now on, somebody tries forged signatures.
    pub(crate) fn suspect(&self) {
        *self.forged.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(SuspendAwareInstant::now());
    }

    /// Whether somebody has tried one of late.
    pub(crate) fn is_suspicious(&self) -> bool {
        let forged = *self.forged.lock().unwrap_or_else(PoisonError::into_inner);
        forged.is_some_and(|last| last.elapsed() < SUSPICION)
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How long after a refresh was due a key may still sign.
pub(crate) const SIGNING_LAG: Duration = Duration::from_mins(1);
/// How often made-up key ids can make KMS be asked.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(10);
/// How long after a forged signature KMS is not asked about the next one unseen.
const SUSPICION: Duration = Duration::from_mins(1);
/// How soon a refresh that failed is tried again while the last ring serves.
const RETRY: Duration = Duration::from_secs(10);
/// The same while there is no ring: until then requests fail at once and do not wait for KMS.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// How long a request waits for a refresh: some times what KMS takes, with a new connection.
const PATIENCE: Duration = Duration::from_millis(500);
