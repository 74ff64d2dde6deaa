//! Signing inputs and signatures in the form that KMS expects.

use aws_lc_rs::digest::{self, digest};
use aws_sdk_kms::{
    primitives::Blob,
    types::{KeySpec, MessageType, SigningAlgorithmSpec},
};
use jwt::{Algorithm, Curve, PublicKey};
use shake::{ExtendableOutput, Shake256, Update, XofReader};

/// The `Message` and `MessageType` of KMS Sign and Verify.
pub(crate) struct Message {
    pub(crate) bytes: Blob,
    pub(crate) kind: MessageType,
}

impl Message {
    /// The input itself if it is short enough for KMS, or else its digest: the signature is the same. `None` for
    /// a long Ed25519 message, because Ed25519 signs no digest (RFC 8032 section 5.1.6 hashes the message twice).
    ///
    /// Without `key`, also `None` for a long ML-DSA message, whose digest depends on the key.
    pub(crate) fn new(input: &[u8], algorithm: Algorithm, key: Option<&PublicKey>) -> Option<Self> {
        if input.len() <= RAW_MAX_BYTES {
            return Some(Self { bytes: Blob::new(input), kind: MessageType::Raw });
        }
        let hash = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 | Algorithm::Es256k => {
                &digest::SHA256
            }
            Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &digest::SHA384,
            Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 => &digest::SHA512,
            Algorithm::Ed25519 => return None,
            Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => {
                let Some(PublicKey::MlDsa(_, key)) = key else { return None };
                return Some(Self {
                    bytes: Blob::new(message_representative(key, input)),
                    kind: MessageType::ExternalMu,
                });
            }
        };
        Some(Self { bytes: Blob::new(digest(hash, input).as_ref()), kind: MessageType::Digest })
    }
}

/// The `SigningAlgorithm` of KMS.
pub(crate) fn signing_algorithm(algorithm: Algorithm) -> SigningAlgorithmSpec {
    SigningAlgorithmSpec::from(algorithm.kms_name())
}

/// The JOSE algorithms of keys with this `KeySpec`, the default first. Empty if such keys do not sign tokens.
///
/// ```
/// use countersign_kms::{KeySpec, algorithms};
///
/// assert_eq!(algorithms(&KeySpec::EccNistP256), [jwt::Algorithm::Es256]);
/// assert!(algorithms(&KeySpec::SymmetricDefault).is_empty());
/// ```
#[must_use]
pub fn algorithms(spec: &KeySpec) -> &'static [Algorithm] {
    Algorithm::of_key_spec(spec.as_str())
}

/// Converts a signature from the form of KMS to that of JOSE (RFC 7518 section 3.4). `None` if the signature
/// does not have the key's form.
pub(crate) fn to_jose(key: &PublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    match curve(key) {
        Some(curve) => curve.from_der(signature),
        None => (signature.len() == key.signature_bytes()).then(|| signature.to_vec()),
    }
}

/// Converts a signature from the form of JOSE to that of KMS. `None` if no key of this `KeySpec` can have made it.
pub(crate) fn to_kms(key: &PublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    match curve(key) {
        Some(curve) => curve.to_der(signature),
        None => (signature.len() == key.signature_bytes()).then(|| signature.to_vec()),
    }
}

/// Converts a signature from the form of JOSE to that of KMS, without the key: a signature of RSA may have the length
/// of a larger key. `None` if no key can have made the signature, or if KMS uses the name of `algorithm` for another
/// algorithm too, so that only the key determines the algorithm.
pub(crate) fn to_kms_without_key(algorithm: Algorithm, signature: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Ed25519 => Some(signature.to_vec()),
        Algorithm::Es384 => Curve::P384.to_der(signature),
        Algorithm::Es512 => Curve::P521.to_der(signature),
        Algorithm::Es256
        | Algorithm::Es256k
        | Algorithm::MlDsa44
        | Algorithm::MlDsa65
        | Algorithm::MlDsa87 => None,
    }
}

fn curve(key: &PublicKey) -> Option<Curve> {
    match key {
        PublicKey::Ec { curve, .. } => Some(*curve),
        PublicKey::Rsa { .. } | PublicKey::Ed25519(_) | PublicKey::MlDsa(..) => None,
    }
}

/// The message representative μ of ML-DSA for an empty context (FIPS 204, algorithm 7, lines 6 and 7).
fn message_representative(key: &[u8], message: &[u8]) -> [u8; 64] {
    let shake = |parts: &[&[u8]]| {
        let mut hash = Shake256::default();
        for part in parts {
            hash.update(part);
        }
        let mut output = [0; 64];
        hash.finalize_xof().read(&mut output);
        output
    };
    // The prefix of pure ML-DSA is 0; the length of the context is 0.
    shake(&[&shake(&[key]), &[0, 0], message])
}

/// The longest raw message of Sign and Verify (AWS KMS API Reference, `Message`).
pub(crate) const RAW_MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_converted_without_key_for_unambiguous_algorithms() {
        for algorithm in Algorithm::ALL {
            let of_name = Algorithm::ALL.iter().filter(|a| a.kms_name() == algorithm.kms_name());
            let bytes = match algorithm {
                Algorithm::Es384 => 96,
                Algorithm::Es512 => 132,
                _ => 64,
            };
            let mut signature = vec![0; bytes];
            for byte in signature.iter_mut().skip(1).step_by(bytes / 2 - 1) {
                *byte = 1;
            }
            let converted = to_kms_without_key(algorithm, &signature);
            assert_eq!(converted.is_some(), of_name.count() == 1, "{algorithm}");
        }
        assert_eq!(to_kms_without_key(Algorithm::Es384, &[0; 96]), None, "r and s are zero");
    }
}
