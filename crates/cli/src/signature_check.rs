use std::sync::Arc;

use jwt::{KeySetVerifier, Rejection, SignedParts, UnusableKey, Verifier};
use kms::{Fault, Keyring, KmsVerifier, RequestMetrics, Verification};

use crate::pem_keys::UnusableBlock;

/// How a command checks signatures.
pub(crate) enum SignatureCheck {
    /// With public keys from a file or a URL, of which some may be unusable PEM blocks.
    KeySet(KeySetVerifier, Vec<UnusableBlock>),
    /// With the keys of a ring, by KMS Verify or by their public keys.
    Ring(Arc<Keyring>, Verification),
    /// Not at all: every signature is accepted. The command must print a notice about it.
    Skipped,
}

/// Why a signature cannot be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignatureFault {
    #[error(transparent)]
    Kms(#[from] Fault),
    /// The token is, or may be, one of this key.
    #[error("cannot check the signature: the key of the token cannot be used")]
    Key(#[from] UnusableKey),
    /// The same for a key in PEM.
    #[error("cannot check the signature: the token may be signed with a key that cannot be used")]
    Block(#[from] UnusableBlock),
}

impl Verifier for SignatureCheck {
    type Error = SignatureFault;

    async fn verify(
        &self,
        signed: &SignedParts<'_>,
    ) -> Result<Result<(), Rejection>, SignatureFault> {
        match self {
            Self::KeySet(keys, unusable) => {
                let verdict = keys.verify(signed).await?;
                let mut unusable = unusable.iter();
                match unusable.find(|block| verdict.is_err() && block.may_be_key_of(signed)) {
                    Some(block) => Err(block.clone().into()),
                    None => Ok(verdict),
                }
            }
            Self::Ring(keyring, verification) => {
                let (metrics, verification) = (RequestMetrics::default(), *verification);
                let verifier =
                    KmsVerifier { keyring, verification, signature_cache: None, metrics: &metrics };
                let verdict = verifier.verify(signed).await?;
                match keyring.neighbor_fault() {
                    // The unreadable alias may have this key. The authorizer refuses the token, but a command
                    // must not report it as invalid.
                    Some(fault) if verdict == Err(Rejection::UnknownKey) => Err(fault.into()),
                    _ => Ok(verdict),
                }
            }
            Self::Skipped => Ok(Ok(())),
        }
    }
}
