//! Verification with KMS Verify or with the ring's public keys.

use std::{str::FromStr, sync::Arc};

use aws_sdk_kms::{error::SdkError, operation::verify::VerifyError};
use jwt::{Rejection, SignedParts, Verifier};

use crate::{
    Cause, Fault, Key, Keyring, RequestMetrics, SignatureCache, SuspendAwareInstant,
    early_verification::EarlyVerification,
    verify_request::{VerifyResult, verify_request},
};

/// How signatures are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// Each signature with KMS Verify, so that a disabled key stops verifying at once. For a short time after KMS has
    /// rejected a signature, each signature is first verified with the public key, so that few forged tokens cost a
    /// call to KMS.
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
///
/// With [`Verification::Kms`], the first request that arrives while [`Keyring::prepare`] is running need not wait for
/// it: KMS verifies its token with the key under the ring's name meanwhile. The response counts only if the token
/// names its key, and the response names the key and the algorithm that the ring has for the token.
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
        let early = match self.verification {
            Verification::Kms => self.keyring.verify_early(parts),
            Verification::Local => None,
        };
        let Some(key) = self.keyring.find(parts.key_id.as_deref()).await? else {
            return Ok(Err(Rejection::UnknownKey));
        };
        let started_at =
            early.as_ref().map_or_else(SuspendAwareInstant::now, |early| early.started_at);
        let verification = self.verify_signature(&key, parts, early);
        match self.signature_cache {
            // A token with another algorithm is rejected without a verification.
            Some(cache) if parts.algorithm == key.algorithm => {
                cache.verify(&key, parts, self.metrics, started_at, verification).await
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
        early: Option<EarlyVerification>,
    ) -> Result<Result<(), Rejection>, Fault> {
        if let Some(early) = early
            && key.to_verify_request(parts).is_ok()
            && let Some(verified) = self.finish_early(key, early).await
        {
            return verified.map(Ok);
        }
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
        let request = verify_request(client, &key.arn, key.algorithm, message, signature);
        let timer = self.metrics.start_call();
        let result = Box::pin(request.send()).await;
        drop(timer);
        judge(key, result)
    }

    /// Waits for an early verification. `None` if the signature must be verified with the key of the ring: unless KMS has
    /// confirmed a signature of this key, the alias may have pointed at another key.
    async fn finish_early(&self, key: &Key, early: EarlyVerification) -> Option<Result<(), Fault>> {
        let (result, time) = early.finish().await?;
        self.metrics.record_call(time);
        match judge(key, result) {
            Ok(Ok(())) => Some(Ok(())),
            // A second call would probably fail in the same way, after as many attempts.
            Err(fault)
                if fault.cause.is_transient()
                    && fault.cause != Cause::InvalidResponse
                    && self.keyring.is_current(key) =>
            {
                Some(Err(fault))
            }
            // The public key decides first now, so that a forged token costs one call.
            Ok(Err(_)) if self.keyring.is_current(key) => {
                self.keyring.record_forgery();
                None
            }
            _ => None,
        }
    }
}

/// The verdict of KMS on a signature, if the response names this key.
fn judge(key: &Key, result: VerifyResult) -> Result<Result<(), Rejection>, Fault> {
    match result {
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
