use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_kms::{
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use jwt::Algorithm;

/// A signing input as KMS takes it.
pub(crate) struct Message {
    pub(crate) bytes: Blob,
    pub(crate) kind: MessageType,
}

impl Message {
    /// Whole if KMS takes it whole, else hashed here. The signature is the same.
    pub(crate) fn new(input: &[u8], algorithm: Algorithm) -> Self {
        if input.len() <= RAW_MAX_BYTES {
            return Self { bytes: Blob::new(input), kind: MessageType::Raw };
        }
        let hash = match algorithm {
            Algorithm::Rs256 => &SHA256,
        };
        Self { bytes: Blob::new(digest(hash, input).as_ref()), kind: MessageType::Digest }
    }
}

/// KMS's name for a JOSE algorithm.
pub(crate) fn spec(algorithm: Algorithm) -> SigningAlgorithmSpec {
    match algorithm {
        Algorithm::Rs256 => SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
    }
}

/// KMS Sign and Verify take this much of a message (AWS KMS API reference, `Message`).
const RAW_MAX_BYTES: usize = 4096;
