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
