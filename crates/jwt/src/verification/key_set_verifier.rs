use std::{convert::Infallible, slice};

use super::{rejection::Rejection, signed_parts::SignedParts, verifier::Verifier};
use crate::{Jwk, JwkSet, KeyError, VerifyingKey};

/// Verifies tokens in this process with public keys.
///
/// A token selects its key by `kid`. The `kid` may be missing, in the token or in the JWK, if the
/// set has exactly one key.
///
/// A key whose JWK has `alg` is used with that algorithm only, and any other key with each of
/// [`PublicKey::algorithms`](crate::PublicKey::algorithms).
///
/// The [crate documentation](crate#verify-a-token-with-a-jwk-set) has an example.
#[derive(Debug, Clone)]
pub struct KeySetVerifier(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    by_algorithm: Vec<VerifyingKey>,
}

impl KeySetVerifier {
    /// Prepares the keys of a set.
    ///
    /// # Errors
    /// The first error of [`VerifyingKey::new`]. A set that [`JwkSet::read`] returned has none.
    pub fn new(set: &JwkSet) -> Result<Self, KeyError> {
        let key = |jwk: &Jwk| {
            let algorithms = jwk.algorithm.as_ref().map_or(jwk.key.algorithms(), slice::from_ref);
            let keys = algorithms.iter().map(|algorithm| VerifyingKey::new(&jwk.key, *algorithm));
            Ok(Key { id: jwk.key_id.clone(), by_algorithm: keys.collect::<Result<_, _>>()? })
        };
        set.0.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Finds the key by its id. An id that is missing on one side means the only key.
    fn find(&self, key_id: Option<&str>) -> Option<&Key> {
        match (key_id, &*self.0) {
            (None, [only]) | (Some(_), [only @ Key { id: None, .. }]) => Some(only),
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(|key| key.id.as_deref() == key_id),
        }
    }

    fn check(&self, parts: &SignedParts<'_>) -> Result<(), Rejection> {
        let key = self.find(parts.key_id.as_deref()).ok_or(Rejection::UnknownKey)?;
        let token = parts.algorithm;
        let Some(key) = key.by_algorithm.iter().find(|key| key.algorithm() == token) else {
            let default = key.by_algorithm.first().ok_or(Rejection::UnknownKey)?;
            return Err(Rejection::WrongAlgorithm { key: default.algorithm(), token });
        };
        let is_valid = key.verify(parts.signing_input.as_bytes(), &parts.signature);
        if is_valid { Ok(()) } else { Err(Rejection::Signature) }
    }
}

impl Verifier for KeySetVerifier {
    type Error = Infallible;

    async fn verify(&self, parts: &SignedParts<'_>) -> Result<Result<(), Rejection>, Infallible> {
        Ok(self.check(parts))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;
    use crate::{Algorithm, PublicKey};

    fn pair(seed: u8) -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let key = PublicKey::Ed25519(pair.public_key().as_ref().to_vec());
        (pair, key)
    }

    #[test]
    fn token_is_verified_with_the_key_of_its_kid() {
        let ((one, one_key), (_, other_key)) = (pair(1), pair(2));
        let jwk = |key: &PublicKey, id: Option<&str>| Jwk {
            key: key.clone(),
            key_id: id.map(str::to_owned),
            algorithm: None,
        };
        let both = vec![jwk(&other_key, Some("other")), jwk(&one_key, Some("one"))];
        let single = vec![jwk(&one_key, Some("one"))];
        let (ed25519, es256) = (Algorithm::Ed25519, Algorithm::Es256);
        let wrong = Rejection::WrongAlgorithm { key: ed25519, token: es256 };
        let rows = [
            ("key of the kid", &both, Some("one"), ed25519, Ok(())),
            ("kid of another key", &both, Some("other"), ed25519, Err(Rejection::Signature)),
            ("unknown kid", &both, Some("none"), ed25519, Err(Rejection::UnknownKey)),
            ("no kid and two keys", &both, None, ed25519, Err(Rejection::UnknownKey)),
            ("no kid and one key", &single, None, ed25519, Ok(())),
            (
                "unknown kid and one key",
                &single,
                Some("other"),
                ed25519,
                Err(Rejection::UnknownKey),
            ),
            ("algorithm of another key type", &single, Some("one"), es256, Err(wrong)),
        ];
        let signature = one.sign(b"a.b").as_ref().to_vec();
        for (name, set, key_id, algorithm, expected) in rows {
            let keys = KeySetVerifier::new(&JwkSet(set.clone())).unwrap();
            let key_id = key_id.map(str::to_owned);
            let parts = SignedParts {
                algorithm,
                key_id,
                signing_input: "a.b",
                signature: signature.clone(),
            };
            assert_eq!(keys.check(&parts), expected, "{name}");
        }
    }

    #[test]
    fn key_without_kid_is_used_if_it_is_the_only_one() {
        let ((pair, key), (_, other)) = (pair(1), pair(2));
        let jwk = |key: &PublicKey| Jwk { key: key.clone(), key_id: None, algorithm: None };
        let signature = pair.sign(b"a.b").as_ref().to_vec();
        let rows = [
            ("one key", vec![jwk(&key)], Ok(())),
            ("two keys", vec![jwk(&key), jwk(&other)], Err(Rejection::UnknownKey)),
        ];
        for (name, set, expected) in rows {
            let keys = KeySetVerifier::new(&JwkSet(set)).unwrap();
            let parts = SignedParts {
                algorithm: Algorithm::Ed25519,
                key_id: Some("k".into()),
                signing_input: "a.b",
                signature: signature.clone(),
            };
            assert_eq!(keys.check(&parts), expected, "{name}");
        }
    }

    #[test]
    fn alg_of_the_jwk_limits_the_key() {
        let key = PublicKey::Rsa { n: vec![0xff; 256], e: vec![3] };
        let jwk = Jwk { key, key_id: None, algorithm: None };
        let wrong = |key, token| Err(Rejection::WrongAlgorithm { key, token });
        let (rs256, ps512, es256) = (Algorithm::Rs256, Algorithm::Ps512, Algorithm::Es256);
        let rows = [
            (None, rs256, Err(Rejection::Signature)),
            (None, ps512, Err(Rejection::Signature)),
            (None, es256, wrong(rs256, es256)),
            (Some(ps512), ps512, Err(Rejection::Signature)),
            (Some(ps512), rs256, wrong(ps512, rs256)),
        ];
        for (algorithm, token, expected) in rows {
            let keys =
                KeySetVerifier::new(&JwkSet(vec![Jwk { algorithm, ..jwk.clone() }])).unwrap();
            let parts = SignedParts {
                algorithm: token,
                key_id: None,
                signing_input: "a.b",
                signature: vec![1; 256],
            };
            assert_eq!(keys.check(&parts), expected, "{algorithm:?} {token}");
        }
        let mismatched = Jwk { algorithm: Some(es256), ..jwk };
        let error = KeySetVerifier::new(&JwkSet(vec![mismatched])).unwrap_err();
        assert!(matches!(error, KeyError::AlgorithmMismatch { .. }), "{error:?}");
    }
}
