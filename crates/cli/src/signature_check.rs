use std::sync::Arc;

use jwt::{KeySetVerifier, Rejection, SignedParts, Verifier};
use kms::{Fault, Keyring, KmsVerifier, Stopwatch, Verification};

/// Who tells whether the signature is good.
pub(crate) enum SignatureCheck {
    KeySet(KeySetVerifier),
    Ring(Arc<Keyring>, Verification),
    /// Nobody: it is taken for good, and that is said.
    Nobody,
}

impl Verifier for SignatureCheck {
    type Error = Fault;

    async fn verify(&self, proof: &SignedParts<'_>) -> Result<Result<(), Rejection>, Fault> {
        match self {
            Self::KeySet(keys) => {
                let Ok(judged) = keys.verify(proof).await;
                Ok(judged)
            }
            Self::Ring(keyring, verification) => {
                let (stopwatch, verification) = (Stopwatch::default(), *verification);
                let verifier = KmsVerifier { keyring, verification, stopwatch: &stopwatch };
                let judged = verifier.verify(proof).await?;
                match keyring.neighbor_fault() {
                    // A function refuses it; here, it is not known whether the ring has the key.
                    Some(fault) if judged == Err(Rejection::UnknownKey) => Err(fault),
                    _ => Ok(judged),
                }
            }
            Self::Nobody => Ok(Ok(())),
        }
    }
}
