//! The ring as it was last loaded: how long it is used, and what of it may be published.

use std::{sync::Arc, time::Duration};

use crate::{Cause, Fault, Key, Ring, SuspendAwareInstant};

/// The ring as KMS had it when it was last loaded.
#[derive(Debug, Clone)]
pub(crate) struct CachedRing {
    /// The last ring that is known. A transient fault leaves it, a lasting one takes its place.
    pub(crate) ring: Result<Arc<Ring>, Fault>,
    pub(crate) faults: LoadFaults,
    /// Whether `-next` and `-previous` have been asked for.
    neighbors_requested: bool,
    /// The last ring of which all keys were known whose tokens may be in use.
    complete: Option<PublishedRing>,
    /// Since when `-next` is denied without a break.
    next_denied_since: Option<SuspendAwareInstant>,
    /// When KMS last said which key signs.
    current_known_at: SuspendAwareInstant,
    loaded_at: SuspendAwareInstant,
    /// How long after `loaded_at` it is loaded again.
    wait: Duration,
}

/// A ring whose keys may be published, as every key is among them whose tokens may be in use.
#[derive(Debug, Clone)]
pub struct PublishedRing {
    /// The ring.
    pub ring: Arc<Ring>,
    /// Why the key under `-next` may be missing. Nothing may cache a key set without it: it is published
    /// ahead of its first token so that caches know it by then.
    pub next_fault: Option<Fault>,
}

/// Why an alias of the ring is not known as KMS has it now.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadFaults {
    pub(crate) current: Option<Fault>,
    pub(crate) next: Option<Fault>,
    pub(crate) previous: Option<Fault>,
}

/// What KMS says about the aliases of a ring.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) current: Result<Arc<Key>, Fault>,
    /// `None` if only the current key was asked for.
    pub(crate) neighbors: Option<Neighbors>,
}

#[derive(Debug)]
pub(crate) struct Neighbors {
    pub(crate) next: Neighbor,
    pub(crate) previous: Neighbor,
}

/// The key under an alias beside the current one, if it is known whether there is one.
pub(crate) type Neighbor = Result<Option<Arc<Key>>, Fault>;

impl CachedRing {
    /// What is known after a load, given what was known before.
    pub(crate) fn new(
        last: Option<Self>,
        loaded: Loaded,
        loaded_at: SuspendAwareInstant,
        refresh: Duration,
    ) -> Self {
        match loaded.current {
            Ok(current) => Self::loaded(last, current, loaded.neighbors, loaded_at, refresh),
            Err(fault) => Self::failed(last, fault, loaded_at, refresh),
        }
    }

    fn loaded(
        last: Option<Self>,
        current: Arc<Key>,
        neighbors: Option<Neighbors>,
        loaded_at: SuspendAwareInstant,
        refresh: Duration,
    ) -> Self {
        let (last_ring, last_complete, denied_since) = last.map_or((None, None, None), |last| {
            (last.ring.ok(), last.complete, last.next_denied_since)
        });
        let neighbors_requested = neighbors.is_some();
        let (next, previous) = neighbors
            .map_or((Ok(None), Ok(None)), |neighbors| (neighbors.next, neighbors.previous));
        let faults = LoadFaults {
            current: None,
            next: next.as_ref().err().cloned(),
            previous: previous.as_ref().err().cloned(),
        };
        let is_denied = |fault: &Fault| fault.cause == Cause::AccessDenied;
        let next_denied_since = faults
            .next
            .as_ref()
            .filter(|fault| is_denied(fault))
            .map(|_| denied_since.unwrap_or(loaded_at));
        let is_complete = neighbors_requested && faults.previous.is_none();
        let last_of = |neighbor: fn(&Ring) -> &Option<Arc<Key>>| {
            last_ring.as_deref().and_then(|ring| neighbor(ring).clone())
        };
        let ring = Arc::new(Ring {
            current,
            next: or_last(next, last_of(|ring| &ring.next)),
            previous: or_last(previous, last_of(|ring| &ring.previous)),
        });
        let complete = if is_complete {
            Some(PublishedRing { ring: Arc::clone(&ring), next_fault: faults.next.clone() })
        } else {
            last_complete
        };
        let wait = if faults.transient().is_some() { RETRY } else { refresh };
        Self {
            ring: Ok(ring),
            faults,
            neighbors_requested,
            complete,
            next_denied_since,
            current_known_at: loaded_at,
            loaded_at,
            wait: wait.min(refresh),
        }
    }

    /// A transient fault leaves the last ring in use; a lasting one takes effect at once.
    fn failed(
        last: Option<Self>,
        fault: Fault,
        loaded_at: SuspendAwareInstant,
        refresh: Duration,
    ) -> Self {
        if let Some(last) = last
            && last.ring.is_ok()
            && fault.cause.is_transient()
        {
            let faults = LoadFaults { current: Some(fault), ..last.faults };
            return Self { faults, loaded_at, wait: RETRY.min(refresh), ..last };
        }
        Self {
            ring: Err(fault.clone()),
            faults: LoadFaults { current: Some(fault), ..LoadFaults::default() },
            neighbors_requested: false,
            complete: None,
            next_denied_since: None,
            current_known_at: loaded_at,
            loaded_at,
            wait: FIRST_RETRY.min(refresh),
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.loaded_at.elapsed() >= self.wait
    }

    /// Whether it has been this long since the ring was last loaded.
    pub(crate) fn is_older_than(&self, age: Duration) -> bool {
        self.loaded_at.elapsed() >= age
    }

    /// Whether it has been this long since KMS last said which key signs.
    pub(crate) fn is_current_older_than(&self, age: Duration) -> bool {
        self.current_known_at.elapsed() >= age
    }

    /// Whether there may be keys that have not been asked for yet.
    pub(crate) fn may_have_more(&self) -> bool {
        !self.neighbors_requested && self.faults.first().is_none()
    }

    /// Whether `-next` may be denied only because it was moved a moment ago: the rights of the functions
    /// go by a key's aliases, and IAM takes up to five minutes to see a new one (AWS KMS Developer Guide,
    /// "Use aliases to control access to KMS keys").
    pub(crate) fn next_may_be_new(&self) -> bool {
        self.next_denied_since.is_some_and(|since| since.elapsed() < ALIAS_AUTHORIZATION_DELAY)
    }

    /// Whether another load can bring a key set, where there is none to publish.
    pub(crate) fn may_become_complete(&self) -> bool {
        let retry = if self.faults.transient().is_some() { FIRST_RETRY } else { RETRY };
        self.may_have_more() || (self.complete().is_none() && self.is_older_than(retry))
    }

    /// The ring as it is published: as it is, or while `-previous` is not known, as it was when it was
    /// last complete.
    ///
    /// # Errors
    /// When some key may be missing whose tokens are in use.
    pub(crate) fn published(self) -> Result<PublishedRing, Fault> {
        let complete = self.complete().cloned();
        let (ring, faults) = (self.ring?, self.faults);
        let Some(complete) = complete else {
            return Err(faults.into_first().unwrap_or_else(|| Fault::timed_out("GetPublicKey")));
        };
        let has_next = faults.next.is_none()
            && ring.next.as_ref().is_none_or(|next| complete.ring.find(Some(&next.id)).is_some());
        if has_next {
            return Ok(complete);
        }
        Ok(PublishedRing { next_fault: faults.into_first().or(complete.next_fault), ..complete })
    }

    /// The last complete ring, if the key that signs is one of it. If not, a whole rotation may have
    /// passed since, and keys in between may be missing.
    fn complete(&self) -> Option<&PublishedRing> {
        let current = &self.ring.as_ref().ok()?.current;
        self.complete.as_ref().filter(|complete| complete.ring.find(Some(&current.id)).is_some())
    }
}

impl LoadFaults {
    fn all(&self) -> impl Iterator<Item = &Fault> {
        [&self.current, &self.next, &self.previous].into_iter().flatten()
    }

    pub(crate) fn first(&self) -> Option<&Fault> {
        self.all().next()
    }

    /// A fault that ends without anything being done about it: until then, a key may be missing.
    pub(crate) fn transient(&self) -> Option<&Fault> {
        self.all().find(|fault| fault.cause.is_transient())
    }

    fn into_first(self) -> Option<Fault> {
        self.current.or(self.previous).or(self.next)
    }
}

/// A transient fault leaves the key that was known.
fn or_last(neighbor: Neighbor, last: Option<Arc<Key>>) -> Option<Arc<Key>> {
    match neighbor {
        Ok(key) => key,
        Err(fault) => last.filter(|_| fault.cause.is_transient()),
    }
}

const ALIAS_AUTHORIZATION_DELAY: Duration = Duration::from_mins(5);
/// How soon a load that failed is tried again while the last ring serves.
const RETRY: Duration = Duration::from_secs(10);
/// The same while there is no ring: until then requests fail at once and do not wait for KMS.
const FIRST_RETRY: Duration = Duration::from_secs(1);
