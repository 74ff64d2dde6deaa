use std::{str::FromStr, sync::Arc};

use aws_sdk_kms::{error::SdkError, operation::verify::VerifyError, primitives::Blob};
use jwt::{Rejection, SignedParts, Verifier};

use crate::{Fault, Key, Keyring, Stopwatch, message::spec};

/// Who tells whether a signature is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// KMS Verify, each signature anew: a key that is disabled stops verifying at once. For a minute
    /// after KMS has refused one, the public key is asked before KMS is: forged tokens cost a call a
    /// minute, and good ones are not verified twice.
    #[default]
    Kms,
    /// The ring's public keys, here: KMS is asked for the keys alone.
    Local,
}

impl FromStr for Verification {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "kms" => Ok(Self::Kms),
            "local" => Ok(Self::Local),
            _ => Err("must be kms or local"),
        }
    }
}

/// Verifies with the keys of a ring.
#[derive(Debug, Clone, Copy)]
pub struct KmsVerifier<'a> {
    /// The keys that are trusted.
    pub keyring: &'a Arc<Keyring>,
    /// Where it is done.
    pub verification: Verification,
    /// Who is told how long KMS takes.
    pub stopwatch: &'a Stopwatch,
}

impl Verifier for KmsVerifier<'_> {
    type Error = Fault;

    async fn verify(&self, proof: &SignedParts<'_>) -> Result<Result<(), Rejection>, Fault> {
        let Some(key) = self.keyring.find(proof.key_id.as_deref()).await? else {
            return Ok(Err(Rejection::UnknownKey));
        };
        let local = self.verification == Verification::Local;
        if local || self.keyring.recently_forged() {
            let judged = key.verify(proof);
            if local || judged.is_err() {
                return Ok(judged);
            }
        }
        let judged = self.ask(&key, proof).await?;
        if judged == Err(Rejection::Signature) {
            self.keyring.record_forgery();
        }
        Ok(judged)
    }
}

impl KmsVerifier<'_> {
    async fn ask(
        &self,
        key: &Key,
        proof: &SignedParts<'_>,
    ) -> Result<Result<(), Rejection>, Fault> {
        let (message, signature) = match key.to_verify_request(proof) {
            Ok(parts) => parts,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let client = self.keyring.client();
        let request = client
            .verify()
            .key_id(&*key.arn)
            .message(message.bytes)
            .message_type(message.kind)
            .signature(Blob::new(signature))
            .signing_algorithm(spec(key.algorithm));
        let running = self.stopwatch.start();
        let answer = Box::pin(request.send()).await;
        drop(running);
        match answer {
            Ok(answer) => {
                key.expect_response(answer.key_id(), answer.signing_algorithm())
                    .map_err(|problem| Fault::invalid("Verify", problem))?;
                // KMS has an error for a bad signature; some emulators say `false` instead.
                Ok(if answer.signature_valid { Ok(()) } else { Err(Rejection::Signature) })
            }
            Err(SdkError::ServiceError(answer))
                if matches!(answer.err(), VerifyError::KmsInvalidSignatureException(_)) =>
            {
                Ok(Err(Rejection::Signature))
            }
            Err(error) => Err(Fault::of("Verify", error)),
        }
    }
}
