use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;

use super::{error::KeyError, public_key::PublicKey};
use crate::Algorithm;

/// A public key, prepared for verification with exactly one algorithm.
///
/// The algorithm comes from the caller and never from a token (RFC 8725 section 3.1).
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    signature_bytes: usize,
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    /// Prepares a key for an algorithm.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] if the algorithm is not one of [`PublicKey::algorithms`],
    /// and the errors about values, such as [`KeyError::PointNotOnCurve`], if the key is not valid.
    pub fn new(key: &PublicKey, algorithm: Algorithm) -> Result<Self, KeyError> {
        let possible = key.algorithms();
        if !possible.contains(&algorithm) {
            return Err(KeyError::AlgorithmMismatch { algorithm, possible });
        }
        let signature_bytes = key.signature_bytes();
        Ok(Self { algorithm, signature_bytes, parsed: key.parse(algorithm)? })
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns whether the key made this signature of the message.
    ///
    /// The signature has the JOSE form: for ECDSA, that is `r` and `s` at full width (RFC 7518
    /// section 3.4).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_bytes
            && self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex;

    #[test]
    fn algorithm_of_another_key_type_is_refused() {
        // RFC 8037 appendix A.2.
        let key = hex::decode::<32, 64>(
            b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        );
        let key = PublicKey::Ed25519(key.to_vec());
        assert!(VerifyingKey::new(&key, Algorithm::Ed25519).is_ok());
        let error = VerifyingKey::new(&key, Algorithm::Es256).unwrap_err();
        let (algorithm, possible) = (Algorithm::Es256, &[Algorithm::Ed25519][..]);
        assert_eq!(error, KeyError::AlgorithmMismatch { algorithm, possible });
        assert_eq!(
            error.to_string(),
            "the key cannot have the algorithm ES256 (possible: Ed25519)"
        );
    }
}
