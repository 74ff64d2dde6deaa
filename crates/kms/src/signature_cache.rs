//! Signatures that were found valid a short time ago.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use jwt::{Rejection, SignedParts};
use lru::LruCache;
use tokio::{sync::watch, time::timeout};

use crate::{Fault, Key, RequestMetrics, SuspendAwareInstant};

/// Remembers valid signatures, so that a token that is sent again costs no call to KMS.
///
/// An entry says that a key has made the signature of a token, and nothing else: every other check of the token is
/// done each time. [`KmsVerifier`](crate::KmsVerifier) asks the cache only after it has found the key in the ring, and
/// the entry must be of the same key and algorithm. A rotated, retired or disabled key therefore needs no flush:
/// its entries do not count as soon as the ring no longer has the key.
///
/// Only valid signatures are kept, at most [`MAX_ENTRIES`](Self::MAX_ENTRIES) of fixed size; the least recently used
/// one is dropped first. Their age counts the time for which the process was suspended.
pub struct SignatureCache {
    lifetime: Duration,
    valid: Mutex<LruCache<Digest, CacheEntry>>,
    /// The tokens that are being verified. A receiver is notified when its verification ends.
    running: Mutex<HashMap<Digest, watch::Receiver<()>>>,
}

type Digest = [u8; SHA256_OUTPUT_LEN];

struct CacheEntry {
    /// The digest of the key's ARN and algorithm.
    key: Digest,
    /// When the verification started, because the key may be disabled before its response arrives.
    verified_at: SuspendAwareInstant,
}

impl SignatureCache {
    /// The maximum number of entries.
    pub const MAX_ENTRIES: usize = 4096;

    /// An empty cache that keeps each entry for `lifetime`.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        // Unbounded, because a cache with a capacity allocates all of it at once. `insert` enforces the limit.
        Self { lifetime, valid: Mutex::new(LruCache::unbounded()), running: Mutex::default() }
    }

    /// The result of `verification` of a token with a key of the ring, or the cached one. `started_at` is when the
    /// verification started.
    ///
    /// If several requests have the same token at the same time, the first one verifies it. The others wait for at
    /// most [`WAIT_FOR_OTHER`]. If the token is not cached then, they verify it themselves.
    pub(crate) async fn verify(
        &self,
        key: &Key,
        parts: &SignedParts<'_>,
        metrics: &RequestMetrics,
        started_at: SuspendAwareInstant,
        verification: impl Future<Output = Result<Result<(), Rejection>, Fault>>,
    ) -> Result<Result<(), Rejection>, Fault> {
        let (token, key) = (digest_of_token(parts), digest_of_key(key));
        if self.has(&token, &key) {
            metrics.record_cache_lookup(true);
            return Ok(Ok(()));
        }
        let running = match self.start(token) {
            Ok(running) => Some(running),
            Err(mut other) => {
                // `changed` fails when the other verification has ended and dropped its sender.
                let _ = timeout(WAIT_FOR_OTHER, other.changed()).await;
                if self.has(&token, &key) {
                    metrics.record_cache_lookup(true);
                    return Ok(Ok(()));
                }
                None
            }
        };
        metrics.record_cache_lookup(false);
        let verified = verification.await?;
        if verified.is_ok() {
            self.insert(token, CacheEntry { key, verified_at: started_at });
        }
        drop(running);
        Ok(verified)
    }

    fn has(&self, token: &Digest, key: &Digest) -> bool {
        let mut valid = lock(&self.valid);
        let entry = valid.get(token);
        entry.is_some_and(|entry| {
            let is_recent = entry.verified_at.elapsed() < self.lifetime;
            entry.key == *key && is_recent && !entry.verified_at.is_ahead()
        })
    }

    fn insert(&self, token: Digest, entry: CacheEntry) {
        let mut valid = lock(&self.valid);
        valid.put(token, entry);
        if valid.len() > Self::MAX_ENTRIES {
            valid.pop_lru();
        }
    }

    /// Starts the verification of a token. `Err` if another request has started it and has not ended it yet.
    fn start(&self, token: Digest) -> Result<RunningVerification<'_>, watch::Receiver<()>> {
        let mut running = lock(&self.running);
        if let Some(other) = running.get(&token) {
            return Err(other.clone());
        }
        let (end, receiver) = watch::channel(());
        running.insert(token, receiver);
        Ok(RunningVerification { cache: self, token, _end: end })
    }
}

/// Prints no entries.
impl fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCache").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// The verification of a token, until this is dropped: after the result, or when the request is cancelled.
struct RunningVerification<'a> {
    cache: &'a SignatureCache,
    token: Digest,
    /// Dropped after the token has left the list.
    _end: watch::Sender<()>,
}

impl Drop for RunningVerification<'_> {
    fn drop(&mut self) {
        lock(&self.cache.running).remove(&self.token);
    }
}

/// The digest of a token. The signing input has exactly one dot, so no two tokens have the same bytes here.
fn digest_of_token(parts: &SignedParts<'_>) -> Digest {
    digest([parts.signing_input.as_bytes(), b".", &parts.signature])
}

/// The digest of an algorithm and an ARN. Names of algorithms have no zero byte, so the separator is unambiguous.
fn digest_of_key(key: &Key) -> Digest {
    digest([key.algorithm.name().as_bytes(), b"\0", key.arn.as_bytes()])
}

fn digest(parts: [&[u8]; 3]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; SHA256_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a request waits for the verification of the same token by another request. A call to KMS usually takes
/// less, and a call that hangs must not hold up the others.
const WAIT_FOR_OTHER: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use jwt::Algorithm;

    use super::*;
    use crate::key::tests::key;

    const LIFETIME: Duration = Duration::from_mins(1);

    fn parts(signing_input: &str, signature: u8) -> SignedParts<'_> {
        let (algorithm, signature) = (Algorithm::Rs256, vec![signature]);
        SignedParts { algorithm, key_id: None, signing_input, signature }
    }

    /// Whether the token with this number is cached.
    async fn is_cached(cache: &SignatureCache, number: usize) -> bool {
        let (key, metrics) = (key("k", Algorithm::Rs256), RequestMetrics::default());
        let input = format!("header.{number}");
        let verification = async { Ok(Ok(())) };
        let verified = cache
            .verify(&key, &parts(&input, 1), &metrics, SuspendAwareInstant::now(), verification)
            .await;
        assert_eq!(verified.unwrap(), Ok(()));
        metrics.signature_cached().unwrap()
    }

    #[tokio::test]
    async fn least_recently_used_entry_is_dropped_first() {
        let cache = SignatureCache::new(LIFETIME);
        for number in 0..SignatureCache::MAX_ENTRIES {
            assert!(!is_cached(&cache, number).await);
        }
        assert!(is_cached(&cache, 0).await, "at the limit");
        assert!(!is_cached(&cache, SignatureCache::MAX_ENTRIES).await);
        assert!(is_cached(&cache, 0).await && !is_cached(&cache, 1).await);
        assert_eq!(lock(&cache.valid).len(), SignatureCache::MAX_ENTRIES);
        assert!(lock(&cache.running).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn entry_expires_by_the_monotonic_and_by_the_wall_clock() {
        let cache = SignatureCache::new(LIFETIME);
        assert!(!is_cached(&cache, 0).await && is_cached(&cache, 0).await);
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(is_cached(&cache, 0).await);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!is_cached(&cache, 0).await && is_cached(&cache, 0).await);

        for (_, entry) in lock(&cache.valid).iter_mut() {
            entry.verified_at = entry.verified_at.before_suspension_of(LIFETIME);
        }
        assert!(!is_cached(&cache, 0).await, "the process was suspended");
        for (_, entry) in lock(&cache.valid).iter_mut() {
            entry.verified_at = entry.verified_at.before_correction_of(LIFETIME);
        }
        assert!(!is_cached(&cache, 0).await, "the wall clock was set back");
    }

    #[tokio::test]
    async fn entry_counts_only_for_the_same_token_key_and_algorithm() {
        let cache = SignatureCache::new(LIFETIME);
        let cached = (parts("a.b", 1), key("k", Algorithm::Rs256));
        let rows = [
            ("the token", parts("a.b", 1), key("k", Algorithm::Rs256), true),
            (
                "another payload with its signature",
                parts("a.c", 1),
                key("k", Algorithm::Rs256),
                false,
            ),
            ("another signature", parts("a.b", 2), key("k", Algorithm::Rs256), false),
            ("another key", parts("a.b", 1), key("l", Algorithm::Rs256), false),
            ("another algorithm of the key", parts("a.b", 1), key("k", Algorithm::Ps256), false),
        ];
        for (name, parts, key, expected) in rows {
            let metrics = RequestMetrics::default();
            let valid = async { Ok(Ok(())) };
            cache
                .verify(&cached.1, &cached.0, &metrics, SuspendAwareInstant::now(), valid)
                .await
                .unwrap()
                .unwrap();
            let invalid = async { Ok(Err(Rejection::Signature)) };
            let metrics = RequestMetrics::default();
            let verified = cache
                .verify(&key, &parts, &metrics, SuspendAwareInstant::now(), invalid)
                .await
                .unwrap();
            assert_eq!(
                (verified.is_ok(), metrics.signature_cached()),
                (expected, Some(expected)),
                "{name}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_or_cancelled_verification_holds_up_no_other_request_with_its_token() {
        let cache = SignatureCache::new(LIFETIME);
        let (key, parts) = (key("k", Algorithm::Rs256), parts("a.b", 1));
        let metrics = RequestMetrics::default();
        let hanging = cache.verify(
            &key,
            &parts,
            &metrics,
            SuspendAwareInstant::now(),
            std::future::pending(),
        );
        let start = tokio::time::Instant::now();
        let others = async {
            assert!(!is_cached_for(&cache, &key, &parts).await, "verified by itself");
            assert_eq!(start.elapsed(), WAIT_FOR_OTHER);
        };
        tokio::select! {
            biased;
            _ = hanging => unreachable!("it never ends"),
            () = others => {}
        }
        assert!(is_cached_for(&cache, &key, &parts).await);
        assert!(lock(&cache.running).is_empty(), "the cancelled request has left the list");
    }

    async fn is_cached_for(cache: &SignatureCache, key: &Key, parts: &SignedParts<'_>) -> bool {
        let metrics = RequestMetrics::default();
        let valid = async { Ok(Ok(())) };
        cache
            .verify(key, parts, &metrics, SuspendAwareInstant::now(), valid)
            .await
            .unwrap()
            .unwrap();
        metrics.signature_cached().unwrap()
    }
}
