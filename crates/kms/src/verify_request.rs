//! A request to KMS Verify.

use aws_sdk_kms::{
    Client,
    error::SdkError,
    operation::verify::{VerifyError, VerifyOutput, builders::VerifyFluentBuilder},
    primitives::Blob,
};
use jwt::Algorithm;

use crate::message::{Message, signing_algorithm};

/// The result of a call to Verify.
pub(crate) type VerifyResult = Result<VerifyOutput, SdkError<VerifyError>>;

/// A request to verify a signature with the key under a name.
pub(crate) fn verify_request(
    client: &Client,
    key: &str,
    algorithm: Algorithm,
    message: Message,
    signature: Vec<u8>,
) -> VerifyFluentBuilder {
    client
        .verify()
        .key_id(key)
        .message(message.bytes)
        .message_type(message.kind)
        .signature(Blob::new(signature))
        .signing_algorithm(signing_algorithm(algorithm))
}
