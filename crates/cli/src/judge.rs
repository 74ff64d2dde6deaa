use std::sync::Arc;

use jwt::{Keys, Proof, Rejection, Verifier};
use kms::{Fault, Keyring, KmsVerifier, Stopwatch, Verification};

/// Who tells whether the signature is good.
pub(crate) enum Judge {
    Keys(Keys),
    Ring(Arc<Keyring>, Verification),
    /// Nobody: it is taken for good, and that is said.
    Nobody,
}

impl Verifier for Judge {
    type Error = Fault;

    async fn verify(&self, proof: &Proof<'_>) -> Result<Result<(), Rejection>, Fault> {
        match self {
            Self::Keys(keys) => {
                let Ok(judged) = keys.verify(proof).await;
                Ok(judged)
            }
            Self::Ring(keyring, verification) => {
                let (stopwatch, verification) = (Stopwatch::default(), *verification);
                KmsVerifier { keyring, verification, stopwatch: &stopwatch }.verify(proof).await
            }
            Self::Nobody => Ok(Ok(())),
        }
    }
}
