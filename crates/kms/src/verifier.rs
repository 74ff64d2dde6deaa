//! Verification with KMS Verify or with the ring's public keys.

use std::{str::FromStr, sync::Arc};

use aws_sdk_kms::{error::SdkError, operation::verify::VerifyError, primitives::Blob};
use jwt::{Rejection, SignedParts, Verifier};

use crate::{Fault, Key, Keyring, RequestMetrics, SignatureCache, message::signing_algorithm};

/// How signatures are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// Each signature with KMS Verify, so that a disabled key stops verifying at once. For a minute after KMS has
    /// rejected a signature, each signature is first verified with the public key: forged tokens cost at most
    /// one call to KMS a minute.
    #[default]
    Kms,
    /// With the ring's public keys, without a call for each signature.
    Local,
}

/// The text is not the name of a [`Verification`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be kms or local")]
pub struct UnknownVerification;

/// From `kms` or `local`, as in the setting `VERIFICATION`.
impl FromStr for Verification {
    type Err = UnknownVerification;

    fn from_str(text: &str) -> Result<Self, UnknownVerification> {
        match text {
            "kms" => Ok(Self::Kms),
            "local" => Ok(Self::Local),
            _ => Err(UnknownVerification),
        }
    }
}

/// A [`Verifier`] with the keys of a ring.
#[derive(Debug, Clone, Copy)]
pub struct KmsVerifier<'a> {
    /// The ring.
    pub keyring: &'a Arc<Keyring>,
    /// How signatures are verified.
    pub verification: Verification,
    /// The valid signatures of earlier requests. `None`: each signature is verified.
    pub signature_cache: Option<&'a SignatureCache>,
    /// Measures the request.
    pub metrics: &'a RequestMetrics,
}

impl Verifier for KmsVerifier<'_> {
    type Error = Fault;

    async fn verify(&self, parts: &SignedParts<'_>) -> Result<Result<(), Rejection>, Fault> {
        let Some(key) = self.keyring.find(parts.key_id.as_deref()).await? else {
            return Ok(Err(Rejection::UnknownKey));
        };
        let verification = self.verify_signature(&key, parts);
        match self.signature_cache {
            // A token with another algorithm is rejected without a verification.
            Some(cache) if parts.algorithm == key.algorithm => {
                cache.verify(&key, parts, self.metrics, verification).await
            }
            _ => verification.await,
        }
    }
}

impl KmsVerifier<'_> {
    async fn verify_signature(
        &self,
        key: &Key,
        parts: &SignedParts<'_>,
    ) -> Result<Result<(), Rejection>, Fault> {
        let is_local = self.verification == Verification::Local;
        if is_local || self.keyring.recently_forged() {
            let verified = key.verify_locally(parts);
            if is_local || verified.is_err() {
                return Ok(verified);
            }
        }
        let verified = self.verify_with_kms(key, parts).await?;
        if verified == Err(Rejection::Signature) {
            self.keyring.record_forgery();
        }
        Ok(verified)
    }

    async fn verify_with_kms(
        &self,
        key: &Key,
        parts: &SignedParts<'_>,
    ) -> Result<Result<(), Rejection>, Fault> {
        let (message, signature) = match key.to_verify_request(parts) {
            Ok(request) => request,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let client = self.keyring.client();
        let request = client
            .verify()
            .key_id(&*key.arn)
            .message(message.bytes)
            .message_type(message.kind)
            .signature(Blob::new(signature))
            .signing_algorithm(signing_algorithm(key.algorithm));
        let timer = self.metrics.start_call();
        let output = Box::pin(request.send()).await;
        drop(timer);
        match output {
            Ok(output) => {
                key.expect_response(output.key_id(), output.signing_algorithm())
                    .map_err(|problem| Fault::invalid_response("Verify", problem))?;
                // KMS returns an error for an invalid signature; some emulators return `false`.
                Ok(if output.signature_valid { Ok(()) } else { Err(Rejection::Signature) })
            }
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), VerifyError::KmsInvalidSignatureException(_)) =>
            {
                Ok(Err(Rejection::Signature))
            }
            Err(error) => Err(Fault::from_sdk_error("Verify", error)),
        }
    }
}
