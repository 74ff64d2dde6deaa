//! The ring as it was last loaded: how long it may be used, and which key set may be published.

use std::{sync::Arc, time::Duration};

use crate::{Cause, Fault, Key, Ring, SuspendAwareInstant};

/// The result of the last load, with what earlier loads established.
#[derive(Debug, Clone)]
pub(crate) struct CachedRing {
    /// The last known ring. A transient fault keeps it; a lasting fault replaces it.
    pub(crate) ring: Result<Arc<Ring>, Fault>,
    pub(crate) faults: LoadFaults,
    /// Whether the last successful load also requested `-next` and `-previous`.
    neighbors_requested: bool,
    /// The last ring that had every key whose tokens may be in use.
    complete: Option<PublishedRing>,
    /// The first of the consecutive loads in which access to `-next` was denied.
    next_denied_since: Option<SuspendAwareInstant>,
    /// When KMS last returned the current key.
    current_known_at: SuspendAwareInstant,
    loaded_at: SuspendAwareInstant,
    /// The time from `loaded_at` until the next load is due.
    reload_after: Duration,
}

/// A ring that may be published: it has every key whose tokens may be in use.
#[derive(Debug, Clone)]
pub struct PublishedRing {
    /// The ring.
    pub ring: Arc<Ring>,
    /// Why the key under `-next` may be missing. A key set with this fault must not be cached: the next key
    /// is published before it signs so that caches have it by then.
    pub next_fault: Option<Fault>,
}

/// The faults of the last load, by alias.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadFaults {
    pub(crate) current: Option<Fault>,
    pub(crate) next: Option<Fault>,
    pub(crate) previous: Option<Fault>,
}

/// The response to one load of a ring.
#[derive(Debug)]
pub(crate) struct LoadResult {
    pub(crate) current: Result<Arc<Key>, Fault>,
    /// `None` if only the current key was requested.
    pub(crate) neighbors: Option<Neighbors>,
}

/// The keys under `-next` and `-previous`.
#[derive(Debug)]
pub(crate) struct Neighbors {
    pub(crate) next: Neighbor,
    pub(crate) previous: Neighbor,
}

/// The key under `-next` or `-previous`; `Ok(None)` if there is no usable key.
pub(crate) type Neighbor = Result<Option<Arc<Key>>, Fault>;

impl CachedRing {
    /// Combines the result of a load with the entry before it.
    pub(crate) fn new(
        last: Option<Self>,
        result: LoadResult,
        loaded_at: SuspendAwareInstant,
        refresh_interval: Duration,
    ) -> Self {
        match result.current {
            Ok(current) => {
                Self::loaded(last, current, result.neighbors, loaded_at, refresh_interval)
            }
            Err(fault) => Self::failed(last, fault, loaded_at, refresh_interval),
        }
    }

    fn loaded(
        last: Option<Self>,
        current: Arc<Key>,
        neighbors: Option<Neighbors>,
        loaded_at: SuspendAwareInstant,
        refresh_interval: Duration,
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
            next: or_last_known(next, last_of(|ring| &ring.next)),
            previous: or_last_known(previous, last_of(|ring| &ring.previous)),
        });
        let complete = if is_complete {
            Some(PublishedRing { ring: Arc::clone(&ring), next_fault: faults.next.clone() })
        } else {
            last_complete
        };
        let reload_after =
            if faults.transient().is_some() { RETRY_INTERVAL } else { refresh_interval };
        Self {
            ring: Ok(ring),
            faults,
            neighbors_requested,
            complete,
            next_denied_since,
            current_known_at: loaded_at,
            loaded_at,
            reload_after: reload_after.min(refresh_interval),
        }
    }

    /// A transient fault keeps the last ring in use; a lasting fault takes effect at once.
    fn failed(
        last: Option<Self>,
        fault: Fault,
        loaded_at: SuspendAwareInstant,
        refresh_interval: Duration,
    ) -> Self {
        if let Some(last) = last
            && last.ring.is_ok()
            && fault.cause.is_transient()
        {
            let faults = LoadFaults { current: Some(fault), ..last.faults };
            let reload_after = RETRY_INTERVAL.min(refresh_interval);
            return Self { faults, loaded_at, reload_after, ..last };
        }
        Self {
            ring: Err(fault.clone()),
            faults: LoadFaults { current: Some(fault), ..LoadFaults::default() },
            neighbors_requested: false,
            complete: None,
            next_denied_since: None,
            current_known_at: loaded_at,
            loaded_at,
            reload_after: RETRY_INTERVAL_WITHOUT_RING.min(refresh_interval),
        }
    }

    /// Whether the ring must be loaded again.
    pub(crate) fn is_due(&self) -> bool {
        self.loaded_at.elapsed() >= self.reload_after
    }

    /// Whether the last load was at least this long ago.
    pub(crate) fn is_older_than(&self, age: Duration) -> bool {
        self.loaded_at.elapsed() >= age
    }

    /// Whether KMS last returned the current key at least this long ago.
    pub(crate) fn is_current_older_than(&self, age: Duration) -> bool {
        self.current_known_at.elapsed() >= age
    }

    /// Whether `-next` and `-previous` have not been requested yet.
    pub(crate) fn has_unrequested_neighbors(&self) -> bool {
        !self.neighbors_requested && self.faults.first().is_none()
    }

    /// Whether access to `-next` may be denied only because the alias was just moved: the functions'
    /// permissions depend on a key's aliases, and authorization sees a new alias up to five minutes late (AWS
    /// KMS Developer Guide, "Use aliases to control access to KMS keys").
    pub(crate) fn next_alias_may_be_new(&self) -> bool {
        self.next_denied_since.is_some_and(|since| since.elapsed() < ALIAS_AUTHORIZATION_DELAY)
    }

    /// Whether the key set is incomplete, and another load may complete it.
    pub(crate) fn may_become_complete(&self) -> bool {
        let interval = if self.faults.transient().is_some() {
            RETRY_INTERVAL_WITHOUT_RING
        } else {
            RETRY_INTERVAL
        };
        self.has_unrequested_neighbors()
            || (self.complete().is_none() && self.is_older_than(interval))
    }

    /// The ring to publish: the last complete ring.
    ///
    /// # Errors
    /// If a key whose tokens are in use may be missing.
    pub(crate) fn published(self) -> Result<PublishedRing, Fault> {
        let complete = self.complete().cloned();
        let (ring, faults) = (self.ring?, self.faults);
        let Some(complete) = complete else {
            return Err(faults.into_first().unwrap_or_else(|| Fault::timed_out("GetPublicKey")));
        };
        let has_next_key = faults.next.is_none()
            && ring.next.as_ref().is_none_or(|next| complete.ring.find(Some(&next.id)).is_some());
        if has_next_key {
            return Ok(complete);
        }
        Ok(PublishedRing { next_fault: faults.into_first().or(complete.next_fault), ..complete })
    }

    /// The last complete ring, if it has the current key. Otherwise a complete rotation may have happened
    /// since, and keys in between may be missing.
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

    /// The first transient fault: until it ends, a key may be missing.
    pub(crate) fn transient(&self) -> Option<&Fault> {
        self.all().find(|fault| fault.cause.is_transient())
    }

    fn into_first(self) -> Option<Fault> {
        self.current.or(self.previous).or(self.next)
    }
}

/// A transient fault keeps the last known key.
fn or_last_known(neighbor: Neighbor, last: Option<Arc<Key>>) -> Option<Arc<Key>> {
    match neighbor {
        Ok(key) => key,
        Err(fault) => last.filter(|_| fault.cause.is_transient()),
    }
}

/// AWS KMS Developer Guide, "Use aliases to control access to KMS keys".
const ALIAS_AUTHORIZATION_DELAY: Duration = Duration::from_mins(5);
/// The shortest time between two loads because of unknown key ids: clients can send any.
pub(crate) const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(10);
/// The time from a failed load to the next one while the last ring is in use.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// The time from a failed load to the next one while there is no ring. Requests in between fail at once instead of
/// calling KMS.
const RETRY_INTERVAL_WITHOUT_RING: Duration = Duration::from_secs(1);
