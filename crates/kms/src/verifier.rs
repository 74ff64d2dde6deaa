use std::sync::Arc;

use aws_sdk_kms::{Client, error::SdkError, operation::verify::VerifyError, primitives::Blob};
use jwt::{Proof, Rejection, Verifier};

use crate::{Fault, Keyring, message::spec};

/// Verifies with KMS Verify, each signature anew.
#[derive(Debug)]
pub struct KmsVerifier {
    client: Client,
    keyring: Arc<Keyring>,
}

impl KmsVerifier {
    /// A verifier that trusts the keys of this ring.
    #[must_use]
    pub fn new(client: Client, keyring: Arc<Keyring>) -> Self {
        Self { client, keyring }
    }
}

impl Verifier for KmsVerifier {
    type Error = Fault;

    async fn verify(&self, proof: &Proof<'_>) -> Result<Result<(), Rejection>, Fault> {
        let Some(key) = self.keyring.find(proof.key_id.as_deref()).await? else {
            return Ok(Err(Rejection::UnknownKey));
        };
        let (message, signature) = match key.admit(proof) {
            Ok(parts) => parts,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let answer = self
            .client
            .verify()
            .key_id(key.arn)
            .message(message.bytes)
            .message_type(message.kind)
            .signature(Blob::new(signature))
            .signing_algorithm(spec(key.algorithm))
            .send()
            .await;
        // KMS has an error for a bad signature; what stands in for KMS may say `false` instead.
        match answer {
            Ok(answer) if answer.signature_valid => Ok(Ok(())),
            Ok(_) => Ok(Err(Rejection::Signature)),
            Err(SdkError::ServiceError(answer))
                if matches!(answer.err(), VerifyError::KmsInvalidSignatureException(_)) =>
            {
                Ok(Err(Rejection::Signature))
            }
            Err(error) => Err(Fault::of("Verify", error)),
        }
    }
}
