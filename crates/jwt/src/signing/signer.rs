use super::unsigned_token::{Token, UnsignedToken};

/// Signs tokens with a private key that may be elsewhere.
///
/// The [crate documentation](crate#write-your-own-signer) has an implementation.
pub trait Signer {
    /// Why a token could not be signed.
    type Error;

    /// Selects a key, writes a header that names the key and its algorithm
    /// ([`UnsignedToken::signing_input`]), and signs.
    ///
    /// # Errors
    /// [`Self::Error`] if there is no signature.
    fn sign(
        &self,
        token: &UnsignedToken,
    ) -> impl Future<Output = Result<Signed, Self::Error>> + Send;
}

/// A signed token with what an audit log needs to identify the signature.
#[derive(Debug)]
pub struct Signed {
    /// The token.
    pub token: Token,
    /// The `kid` of the key that signed the token.
    pub key_id: String,
    /// The identifier of the signing request in the records of the key's service, such as the
    /// request id of AWS KMS. `None`: the service has no request id.
    pub receipt: Option<String>,
}
