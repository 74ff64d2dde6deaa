use std::{convert::Infallible, slice};

use crate::{Jwk, JwkSet, KeyError, Rejection, SignedParts, Verifier, VerifyingKey};

/// Public keys that verify tokens here, with nobody asked.
///
/// A key whose JWK has an `alg` is used with that alone; another with any of
/// [`PublicKey::algorithms`](crate::PublicKey::algorithms), which are all of one kind.
#[derive(Debug, Clone)]
pub struct KeySetVerifier(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    uses: Vec<VerifyingKey>,
}

impl KeySetVerifier {
    /// The keys of a set.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(set: &JwkSet) -> Result<Self, KeyError> {
        let key = |jwk: &Jwk| {
            let algorithms = jwk.algorithm.as_ref().map_or(jwk.key.algorithms(), slice::from_ref);
            let uses = algorithms.iter().map(|algorithm| VerifyingKey::new(&jwk.key, *algorithm));
            Ok(Key { id: jwk.key_id.clone(), uses: uses.collect::<Result<_, _>>()? })
        };
        set.0.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// The key of this id. The only key may be meant without a name on either side.
    fn find(&self, key_id: Option<&str>) -> Option<&Key> {
        match (key_id, &*self.0) {
            (None, [only]) | (Some(_), [only @ Key { id: None, .. }]) => Some(only),
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(|key| key.id.as_deref() == key_id),
        }
    }

    fn judge(&self, proof: &SignedParts<'_>) -> Result<(), Rejection> {
        let key = self.find(proof.key_id.as_deref()).ok_or(Rejection::UnknownKey)?;
        let token = proof.algorithm;
        let Some(key) = key.uses.iter().find(|key| key.algorithm() == token) else {
            let usual = key.uses.first().ok_or(Rejection::UnknownKey)?;
            return Err(Rejection::WrongAlgorithm { key: usual.algorithm(), token });
        };
        let good = key.verify(proof.signing_input.as_bytes(), &proof.signature);
        if good { Ok(()) } else { Err(Rejection::Signature) }
    }
}

impl Verifier for KeySetVerifier {
    type Error = Infallible;

    async fn verify(&self, proof: &SignedParts<'_>) -> Result<Result<(), Rejection>, Infallible> {
        Ok(self.judge(proof))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;
    use crate::{Algorithm, Jwk, PublicKey};

    fn pair(seed: u8) -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let key = PublicKey::Ed25519(pair.public_key().as_ref().to_vec());
        (pair, key)
    }

    #[test]
    fn a_token_is_judged_by_the_key_that_it_names() {
        let ((one, one_key), (_, other_key)) = (pair(1), pair(2));
        let jwk = |key: &PublicKey, id: Option<&str>| Jwk {
            key: key.clone(),
            key_id: id.map(str::to_owned),
            algorithm: None,
        };
        let both = vec![jwk(&other_key, Some("other")), jwk(&one_key, Some("one"))];
        let alone = vec![jwk(&one_key, Some("one"))];
        let (ed25519, es256) = (Algorithm::Ed25519, Algorithm::Es256);
        let wrong = Rejection::WrongAlgorithm { key: ed25519, token: es256 };
        let rows = [
            ("its key", &both, Some("one"), ed25519, Ok(())),
            ("another key", &both, Some("other"), ed25519, Err(Rejection::Signature)),
            ("no such key", &both, Some("none"), ed25519, Err(Rejection::UnknownKey)),
            ("no name among several", &both, None, ed25519, Err(Rejection::UnknownKey)),
            ("no name and one key", &alone, None, ed25519, Ok(())),
            (
                "another name and one key",
                &alone,
                Some("other"),
                ed25519,
                Err(Rejection::UnknownKey),
            ),
            ("another algorithm", &alone, Some("one"), es256, Err(wrong)),
        ];
        let signature = one.sign(b"a.b").as_ref().to_vec();
        for (name, set, key_id, algorithm, expected) in rows {
            let keys = KeySetVerifier::new(&JwkSet(set.clone())).unwrap();
            let key_id = key_id.map(str::to_owned);
            let proof = SignedParts {
                algorithm,
                key_id,
                signing_input: "a.b",
                signature: signature.clone(),
            };
            assert_eq!(keys.judge(&proof), expected, "{name}");
        }
    }

    #[test]
    fn the_only_key_needs_no_name() {
        let ((pair, key), (_, other)) = (pair(1), pair(2));
        let jwk = |key: &PublicKey| Jwk { key: key.clone(), key_id: None, algorithm: None };
        let signature = pair.sign(b"a.b").as_ref().to_vec();
        let rows = [
            ("alone", vec![jwk(&key)], Ok(())),
            ("one of two", vec![jwk(&key), jwk(&other)], Err(Rejection::UnknownKey)),
        ];
        for (name, set, expected) in rows {
            let keys = KeySetVerifier::new(&JwkSet(set)).unwrap();
            let proof = SignedParts {
                algorithm: Algorithm::Ed25519,
                key_id: Some("a name".into()),
                signing_input: "a.b",
                signature: signature.clone(),
            };
            assert_eq!(keys.judge(&proof), expected, "{name}");
        }
    }

    #[test]
    fn alg_narrows_a_key_down() {
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
            let proof = SignedParts {
                algorithm: token,
                key_id: None,
                signing_input: "a.b",
                signature: vec![1; 256],
            };
            assert_eq!(keys.judge(&proof), expected, "{algorithm:?} {token}");
        }
        let unfit = Jwk { algorithm: Some(es256), ..jwk };
        assert!(KeySetVerifier::new(&JwkSet(vec![unfit])).is_err());
    }
}
