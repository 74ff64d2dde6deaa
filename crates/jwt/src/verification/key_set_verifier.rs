use std::slice;

use super::{rejection::Rejection, signed_parts::SignedParts, verifier::Verifier};
use crate::{Jwk, JwkSet, KeyError, UnusableKey, VerifyingKey};

/// Verifies tokens in this process with public keys.
///
/// A token selects its keys by `kid`: each key with this `kid` is tried, or else each key without
/// one (RFC 7517 section 4.5). The `kid` may be missing in the token if the set has exactly one key,
/// or with [`trying_at_most`](Self::trying_at_most).
///
/// A key whose JWK has `alg` is used with that algorithm only, and any other key with each of
/// [`PublicKey::algorithms`](crate::PublicKey::algorithms).
///
/// A token that no key verifies, but that may be one of an [`UnusableKey`], is neither valid nor
/// refused: that key is the error.
///
/// The [crate documentation](crate#verify-a-token-with-a-jwk-set) has an example.
#[derive(Debug, Clone)]
pub struct KeySetVerifier {
    keys: Vec<PreparedKey>,
    unusable: Vec<UnusableKey>,
    /// `None`: all keys of a `kid`, and none without one.
    max_attempts: Option<usize>,
}

#[derive(Debug, Clone)]
struct PreparedKey {
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
            Ok(PreparedKey {
                id: jwk.key_id.clone(),
                by_algorithm: keys.collect::<Result<_, _>>()?,
            })
        };
        let keys = set.keys.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { keys, unusable: set.unusable.clone(), max_attempts: None })
    }

    /// The same keys, of which a token without `kid` may have any. For each token, at most this number
    /// of keys is tried, in the order of the set.
    #[must_use]
    pub fn trying_at_most(self, attempts: usize) -> Self {
        Self { max_attempts: Some(attempts), ..self }
    }

    /// Finds the keys of an id.
    fn find(&self, key_id: Option<&str>) -> Vec<&PreparedKey> {
        match (key_id, &*self.keys) {
            (None, [only]) => vec![only],
            (None, keys) if self.max_attempts.is_some() => keys.iter().collect(),
            (None, _) => Vec::new(),
            (Some(_), keys) => {
                let with = |id: Option<&str>| -> Vec<_> {
                    keys.iter().filter(|key| key.id.as_deref() == id).collect()
                };
                let named = with(key_id);
                if named.is_empty() { with(None) } else { named }
            }
        }
    }

    fn check(&self, parts: &SignedParts<'_>) -> Result<Result<(), Rejection>, UnusableKey> {
        let token = parts.algorithm;
        let found = self.find(parts.key_id.as_deref());
        let mut rejection = Rejection::UnknownKey;
        let mut attempts_left = self.max_attempts.unwrap_or(usize::MAX);
        for key in found {
            let Some(key) = key.by_algorithm.iter().find(|key| key.algorithm() == token) else {
                if let (Rejection::UnknownKey, Some(key)) = (rejection, key.by_algorithm.first()) {
                    rejection = Rejection::WrongAlgorithm { key: key.algorithm(), token };
                }
                continue;
            };
            let Some(left) = attempts_left.checked_sub(1) else { break };
            attempts_left = left;
            if key.verify(parts.signing_input.as_bytes(), &parts.signature) {
                return Ok(Ok(()));
            }
            rejection = Rejection::Signature;
        }
        let may_be_key_of_token = |key: &&UnusableKey| match (&key.key_id, &parts.key_id) {
            // No other key answers for this `kid`, or the key may have made the signature too.
            (Some(own), Some(id)) if own == id => {
                rejection != Rejection::Signature || key.may_have(token)
            }
            (Some(_), Some(_)) => false,
            _ => key.may_have(token),
        };
        match self.unusable.iter().find(may_be_key_of_token) {
            Some(key) => Err(key.clone()),
            None => Ok(Err(rejection)),
        }
    }
}

impl Verifier for KeySetVerifier {
    type Error = UnusableKey;

    async fn verify(&self, parts: &SignedParts<'_>) -> Result<Result<(), Rejection>, UnusableKey> {
        self.check(parts)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;

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
            let keys = KeySetVerifier::new(&JwkSet::new(set.clone())).unwrap();
            let key_id = key_id.map(str::to_owned);
            let parts = SignedParts {
                algorithm,
                key_id,
                signing_input: "a.b",
                signature: signature.clone(),
            };
            assert_eq!(keys.check(&parts), Ok(expected), "{name}");
        }
    }

    #[test]
    fn keys_without_kid_are_tried_if_none_has_the_kid() {
        let ((pair, key), (_, other)) = (pair(1), pair(2));
        let jwk = |key: &PublicKey| Jwk { key: key.clone(), key_id: None, algorithm: None };
        let signature = pair.sign(b"a.b").as_ref().to_vec();
        let rows = [
            ("one key", vec![jwk(&key)], Ok(())),
            ("two keys", vec![jwk(&other), jwk(&key)], Ok(())),
            ("another key", vec![jwk(&other)], Err(Rejection::Signature)),
            (
                "a key of another kid",
                vec![Jwk { key_id: Some("x".into()), ..jwk(&key) }],
                Err(Rejection::UnknownKey),
            ),
        ];
        for (name, set, expected) in rows {
            let keys = KeySetVerifier::new(&JwkSet::new(set)).unwrap();
            let parts = SignedParts {
                algorithm: Algorithm::Ed25519,
                key_id: Some("k".into()),
                signing_input: "a.b",
                signature: signature.clone(),
            };
            assert_eq!(keys.check(&parts), Ok(expected), "{name}");
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
                KeySetVerifier::new(&JwkSet::new(vec![Jwk { algorithm, ..jwk.clone() }])).unwrap();
            let parts = SignedParts {
                algorithm: token,
                key_id: None,
                signing_input: "a.b",
                signature: vec![1; 256],
            };
            assert_eq!(keys.check(&parts), Ok(expected), "{algorithm:?} {token}");
        }
        let mismatched = Jwk { algorithm: Some(es256), ..jwk };
        let error = KeySetVerifier::new(&JwkSet::new(vec![mismatched])).unwrap_err();
        assert!(matches!(error, KeyError::AlgorithmMismatch { .. }), "{error:?}");
    }

    #[test]
    fn every_key_of_a_kid_is_tried() {
        let ((one, one_key), (_, other)) = (pair(1), pair(2));
        let rsa = PublicKey::Rsa { n: vec![0xff; 256], e: vec![3] };
        let jwk =
            |key: &PublicKey| Jwk { key: key.clone(), key_id: Some("k".into()), algorithm: None };
        let (ed25519, rs256, es256) = (Algorithm::Ed25519, Algorithm::Rs256, Algorithm::Es256);
        let wrong = Rejection::WrongAlgorithm { key: ed25519, token: es256 };
        let rows = [
            ("the second of two", vec![jwk(&other), jwk(&one_key)], ed25519, Ok(())),
            ("the second, of another type", vec![jwk(&rsa), jwk(&one_key)], ed25519, Ok(())),
            ("the first, of another type", vec![jwk(&one_key), jwk(&rsa)], ed25519, Ok(())),
            ("none", vec![jwk(&other), jwk(&other)], ed25519, Err(Rejection::Signature)),
            (
                "one without the algorithm",
                vec![jwk(&one_key), jwk(&rsa)],
                rs256,
                Err(Rejection::Signature),
            ),
            ("all without the algorithm", vec![jwk(&one_key), jwk(&rsa)], es256, Err(wrong)),
        ];
        let signature = one.sign(b"a.b").as_ref().to_vec();
        for (name, set, algorithm, expected) in rows {
            let keys = KeySetVerifier::new(&JwkSet::new(set)).unwrap();
            let parts = SignedParts {
                algorithm,
                key_id: Some("k".into()),
                signing_input: "a.b",
                signature: signature.clone(),
            };
            assert_eq!(keys.check(&parts), Ok(expected), "{name}");
        }
    }

    #[test]
    fn token_without_kid_is_tried_with_some_keys() {
        let (pair_of_token, key) = pair(1);
        let jwk = |key: &PublicKey, id: &str| Jwk {
            key: key.clone(),
            key_id: Some(id.into()),
            algorithm: None,
        };
        let other = |seed: u8| jwk(&pair(seed).1, "x");
        let rsa = jwk(&PublicKey::Rsa { n: vec![0xff; 256], e: vec![3] }, "x");
        let own = jwk(&key, "k");
        let (ed25519, es256) = (Algorithm::Ed25519, Algorithm::Es256);
        let wrong = Err(Rejection::WrongAlgorithm { key: ed25519, token: es256 });
        let forged = Err(Rejection::Signature);
        let rows = [
            ("the first", vec![own.clone(), other(2)], None, ed25519, Ok(())),
            ("the second", vec![other(2), own.clone()], None, ed25519, Ok(())),
            (
                "after one of another type",
                vec![rsa.clone(), other(2), own.clone()],
                None,
                ed25519,
                Ok(()),
            ),
            ("the third", vec![other(2), other(3), own.clone()], None, ed25519, forged),
            ("none", vec![other(2), other(3)], None, ed25519, forged),
            ("none of the type", vec![own.clone(), other(2)], None, es256, wrong),
            (
                "of a kid, the third",
                vec![other(2), other(3), jwk(&key, "x")],
                Some("x"),
                ed25519,
                forged,
            ),
            ("another kid", vec![other(2), own], Some("x"), ed25519, forged),
        ];
        let signature = pair_of_token.sign(b"a.b").as_ref().to_vec();
        for (name, set, key_id, algorithm, expected) in rows {
            let keys = KeySetVerifier::new(&JwkSet::new(set)).unwrap().trying_at_most(2);
            let parts = SignedParts {
                algorithm,
                key_id: key_id.map(str::to_owned),
                signing_input: "a.b",
                signature: signature.clone(),
            };
            assert_eq!(keys.check(&parts), Ok(expected), "{name}");
        }
    }

    #[test]
    fn token_that_may_be_of_an_unusable_key_is_not_refused() {
        let (pair, key) = pair(1);
        let jwk = Jwk { key, key_id: Some("good".into()), algorithm: None }.to_json();
        let unusable = |kid: Option<&str>, kty: &str| match kid {
            Some(kid) => json!({"kty": kty, "crv": "Ed25519", "x": "AAAA", "kid": kid}),
            None => json!({"kty": kty, "crv": "Ed25519", "x": "AAAA"}),
        };
        // The unusable key, the kid of the token, whether the token has a signature of the good key, and whether
        // there is a result.
        let rows = [
            ("its kid", unusable(Some("bad"), "OKP"), Some("bad"), false, false),
            ("its kid, of another type", unusable(Some("bad"), "oct"), Some("bad"), false, false),
            ("another kid", unusable(Some("bad"), "OKP"), Some("other"), false, true),
            ("the kid of the good key", unusable(Some("bad"), "OKP"), Some("good"), false, true),
            (
                "the same kid as the good key",
                unusable(Some("good"), "OKP"),
                Some("good"),
                false,
                false,
            ),
            (
                "the same kid, and a valid signature",
                unusable(Some("good"), "OKP"),
                Some("good"),
                true,
                true,
            ),
            (
                "the same kid, of another type",
                unusable(Some("good"), "RSA"),
                Some("good"),
                false,
                true,
            ),
            ("a key without kid", unusable(None, "OKP"), Some("other"), false, false),
            (
                "a key without kid, of another type",
                unusable(None, "future"),
                Some("other"),
                false,
                true,
            ),
            ("a token without kid", unusable(Some("bad"), "OKP"), None, false, false),
            (
                "a token without kid, and a valid signature",
                unusable(Some("bad"), "OKP"),
                None,
                true,
                true,
            ),
        ];
        for (name, bad, key_id, is_signed, has_result) in rows {
            let set = json!({"keys": [jwk, bad]}).to_string();
            let keys = KeySetVerifier::new(&JwkSet::read(set.as_bytes()).unwrap()).unwrap();
            let signature =
                if is_signed { pair.sign(b"a.b").as_ref().to_vec() } else { vec![0; 64] };
            let parts = SignedParts {
                algorithm: Algorithm::Ed25519,
                key_id: key_id.map(str::to_owned),
                signing_input: "a.b",
                signature,
            };
            let checked = keys.check(&parts);
            assert_eq!(checked.is_ok(), has_result, "{name}: {checked:?}");
            assert_eq!(checked == Ok(Ok(())), is_signed, "{name}: {checked:?}");
        }
    }
}
