use crate::{Rejection, SignedParts, Token, UnsignedToken};

/// Somebody who holds a private key.
pub trait Signer {
    /// Why there is no signature.
    type Error;

    /// Chooses the key, and signs the draft under a header that names it.
    fn sign(
        &self,
        draft: &UnsignedToken,
    ) -> impl Future<Output = Result<Signed, Self::Error>> + Send;
}

/// Somebody who can tell whether a signature is good.
pub trait Verifier {
    /// Why there is no answer.
    type Error;

    /// Looks up the key, and answers whether it made this signature. An error is not a no: it
    /// means that nobody knows.
    fn verify(
        &self,
        proof: &SignedParts<'_>,
    ) -> impl Future<Output = Result<Result<(), Rejection>, Self::Error>> + Send;
}

/// A token and what the audit trail has to say of its signature.
#[derive(Debug)]
pub struct Signed {
    /// The token.
    pub token: Token,
    /// The key that signed it, as its `kid` has it.
    pub key_id: String,
    /// What the holder of the key calls this signature in its own records.
    pub receipt: Option<String>,
}
