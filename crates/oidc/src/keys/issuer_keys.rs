use std::collections::HashSet;

use jwt::{
    Algorithm, Jwk, JwkSet, KeyError, KeySetVerifier, Rejection, SignedParts, UnusableKey, Verifier,
};

use super::error::KeysError;
use crate::issuers::MAX_KEYS;

/// The keys of an issuer, prepared for the algorithms of its entry.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    verifier: KeySetVerifier,
    /// The `kid` of each key.
    ids: HashSet<String>,
    /// The keys that the issuer may sign with, but that cannot be read.
    malformed: Vec<UnusableKey>,
}

impl IssuerKeys {
    /// Prepares the keys of a set. Keys that cannot be used do not affect the others.
    ///
    /// # Errors
    /// [`KeysError::TooManyKeys`] and [`KeysError::NoUsableKey`].
    pub(crate) fn new(set: JwkSet, algorithms: &[Algorithm]) -> Result<Self, KeysError> {
        let count = set.keys.len() + set.unusable.len();
        if count > MAX_KEYS {
            return Err(KeysError::TooManyKeys(count));
        }
        // One key for each algorithm: neither `alg` of the token nor a missing `alg` of the key allows another one.
        let with_algorithms = |jwk: Jwk| {
            let possible: Vec<_> = match jwk.algorithm {
                Some(algorithm) => vec![algorithm],
                None => jwk.key.algorithms().to_vec(),
            };
            let accepted = possible.into_iter().filter(|possible| algorithms.contains(possible));
            accepted.map(move |algorithm| Jwk { algorithm: Some(algorithm), ..jwk.clone() })
        };
        let keys: Vec<_> = set.keys.into_iter().flat_map(with_algorithms).collect();
        if keys.is_empty() {
            return Err(KeysError::NoUsableKey);
        }
        let ids = keys.iter().filter_map(|jwk| jwk.key_id.clone()).collect();
        let verifier = KeySetVerifier::new(&JwkSet::new(keys));
        let verifier = verifier.map_err(|_| KeysError::NoUsableKey)?.trying_at_most(MAX_ATTEMPTS);
        let malformed = set.unusable.into_iter().filter(|key| !is_for_others(&key.reason));
        Ok(Self { verifier, ids, malformed: malformed.collect() })
    }

    /// Verifies a signature.
    ///
    /// # Errors
    /// The outer error: the token names a malformed key. The inner one refuses the token.
    pub(crate) async fn check(
        &self,
        parts: &SignedParts<'_>,
    ) -> Result<Result<(), Rejection>, UnusableKey> {
        let verified = self.verifier.verify(parts).await?;
        // A valid key with this `kid` and algorithm decides. Otherwise any client could cause faults with this `kid`.
        let is_answered =
            verified.is_ok() || (verified == Err(Rejection::Signature) && self.has_key_of(parts));
        let is_named = |key: &&UnusableKey| {
            key.key_id.is_some() && key.key_id == parts.key_id && key.may_have(parts.algorithm)
        };
        match self.malformed.iter().find(is_named) {
            Some(key) if !is_answered => Err(key.clone()),
            _ => Ok(verified),
        }
    }

    /// Whether a token that these keys do not verify may be signed with a newer key.
    pub(crate) fn may_lack_key_of(&self, parts: &SignedParts<'_>) -> bool {
        !self.has_key_of(parts)
    }

    fn has_key_of(&self, parts: &SignedParts<'_>) -> bool {
        parts.key_id.as_ref().is_some_and(|id| self.ids.contains(id))
    }
}

/// Whether the key is not meant for signatures of tokens, or everyone could sign with it: no token of such a key is
/// accepted.
const fn is_for_others(reason: &KeyError) -> bool {
    matches!(
        reason,
        KeyError::Use
            | KeyError::KeyOperations
            | KeyError::UnknownKeyType
            | KeyError::UnknownCurve
            | KeyError::UnknownAlgorithm
            | KeyError::PrivateKey { .. }
            | KeyError::PrivateKeyInSet { .. }
    )
}

/// The number of keys that are tried for one token.
const MAX_ATTEMPTS: usize = 4;
