use std::convert::Infallible;

use crate::{JwkSet, KeyError, Proof, Rejection, Verifier, VerifyingKey};

/// Public keys that verify tokens here, with nobody asked.
///
/// A key without an `alg` of its own is used with the first of
/// [`PublicKey::algorithms`](crate::PublicKey::algorithms), never with what a token says.
#[derive(Debug, Clone)]
pub struct Keys(Vec<(Option<String>, VerifyingKey)>);

impl Keys {
    /// The keys of a set.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(set: &JwkSet) -> Result<Self, KeyError> {
        let key = |jwk: &crate::Jwk| {
            let usual = jwk.key.algorithms().first().copied();
            let algorithm = jwk.algorithm.or(usual).ok_or(KeyError)?;
            Ok((jwk.key_id.clone(), VerifyingKey::new(&jwk.key, algorithm)?))
        };
        set.0.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// The key of this id. A token that names none can only be of the only key.
    fn find(&self, key_id: Option<&str>) -> Option<&VerifyingKey> {
        match (key_id, &*self.0) {
            (None, [(_, only)]) => Some(only),
            (None, _) => None,
            (Some(_), keys) => {
                keys.iter().find(|(known, _)| known.as_deref() == key_id).map(|(_, key)| key)
            }
        }
    }

    fn judge(&self, proof: &Proof<'_>) -> Result<(), Rejection> {
        let key = self.find(proof.key_id.as_deref()).ok_or(Rejection::UnknownKey)?;
        if key.algorithm() != proof.algorithm {
            let (key, token) = (key.algorithm(), proof.algorithm);
            return Err(Rejection::WrongAlgorithm { key, token });
        }
        let good = key.verify(proof.signing_input.as_bytes(), &proof.signature);
        if good { Ok(()) } else { Err(Rejection::Signature) }
    }
}

impl Verifier for Keys {
    type Error = Infallible;

    async fn verify(&self, proof: &Proof<'_>) -> Result<Result<(), Rejection>, Infallible> {
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
            let keys = Keys::new(&JwkSet(set.clone())).unwrap();
            let key_id = key_id.map(str::to_owned);
            let proof =
                Proof { algorithm, key_id, signing_input: "a.b", signature: signature.clone() };
            assert_eq!(keys.judge(&proof), expected, "{name}");
        }
    }

    #[test]
    fn an_rsa_key_without_alg_is_for_one_algorithm_alone() {
        let mut n = vec![0xff; 256];
        n[0] = 0x81;
        let jwk = Jwk { key: PublicKey::Rsa { n, e: vec![3] }, key_id: None, algorithm: None };
        let rows = [(None, Algorithm::Rs256), (Some(Algorithm::Ps512), Algorithm::Ps512)];
        for (algorithm, expected) in rows {
            let keys = Keys::new(&JwkSet(vec![Jwk { algorithm, ..jwk.clone() }])).unwrap();
            for token in [Algorithm::Rs256, Algorithm::Rs512, Algorithm::Ps512] {
                let proof = Proof {
                    algorithm: token,
                    key_id: None,
                    signing_input: "a.b",
                    signature: vec![1; 256],
                };
                let refusal = if token == expected {
                    Rejection::Signature
                } else {
                    Rejection::WrongAlgorithm { key: expected, token }
                };
                assert_eq!(keys.judge(&proof), Err(refusal));
            }
        }
        let unfit = Jwk { algorithm: Some(Algorithm::Es256), ..jwk };
        assert!(Keys::new(&JwkSet(vec![unfit])).is_err());
    }
}
