use aws_lc_rs::digest::{self, digest};
use aws_sdk_kms::{
    primitives::Blob,
    types::{KeySpec, MessageType, SigningAlgorithmSpec},
};
use jwt::{Algorithm, Curve, PublicKey};
use shake::{ExtendableOutput, Shake256, Update, XofReader};

/// A signing input as KMS takes it.
pub(crate) struct Message {
    pub(crate) bytes: Blob,
    pub(crate) kind: MessageType,
}

impl Message {
    /// Whole if KMS takes it whole, else hashed here: the signature is the same. There is no such
    /// way for Ed25519, which reads its message twice; `None` is a message that it cannot sign.
    pub(crate) fn new(input: &[u8], algorithm: Algorithm, key: &PublicKey) -> Option<Self> {
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
                let PublicKey::MlDsa(_, key) = key else { return None };
                return Some(Self {
                    bytes: Blob::new(representative(key, input)),
                    kind: MessageType::ExternalMu,
                });
            }
        };
        Some(Self { bytes: Blob::new(digest(hash, input).as_ref()), kind: MessageType::Digest })
    }
}

/// The name of an algorithm in requests and responses of KMS.
pub(crate) fn spec(algorithm: Algorithm) -> SigningAlgorithmSpec {
    SigningAlgorithmSpec::from(algorithm.kms_name())
}

/// The algorithms of a key with this spec, the default first.
#[must_use]
pub fn algorithms(spec: &KeySpec) -> &'static [Algorithm] {
    Algorithm::of_key_spec(spec.as_str())
}

/// A signature of KMS's as JOSE writes it.
pub(crate) fn to_jose(key: &PublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    match curve(key) {
        Some(curve) => curve.from_der(signature),
        None => (signature.len() == key.signature_bytes()).then(|| signature.to_vec()),
    }
}

/// A signature of JOSE's as KMS takes it. `None` is one that no key of this kind can have made.
pub(crate) fn to_kms(key: &PublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    match curve(key) {
        Some(curve) => curve.to_der(signature),
        None => (signature.len() == key.signature_bytes()).then(|| signature.to_vec()),
    }
}

fn curve(key: &PublicKey) -> Option<Curve> {
    match key {
        PublicKey::Ec { curve, .. } => Some(*curve),
        PublicKey::Rsa { .. } | PublicKey::Ed25519(_) | PublicKey::MlDsa(..) => None,
    }
}

/// The message representative μ for an empty context (FIPS 204, algorithm 7, lines 6 and 7).
fn representative(key: &[u8], message: &[u8]) -> [u8; 64] {
    let shake = |parts: &[&[u8]]| {
        let mut hash = Shake256::default();
        for part in parts {
            hash.update(part);
        }
        let mut output = [0; 64];
        hash.finalize_xof().read(&mut output);
        output
    };
    // Pure ML-DSA is 0, and the context has no bytes.
    shake(&[&shake(&[key]), &[0, 0], message])
}

/// KMS Sign and Verify take this much of a message (AWS KMS API reference, `Message`).
pub(crate) const RAW_MAX_BYTES: usize = 4096;
