use super::{rejection::Rejection, signed_parts::SignedParts};

/// Verifies signatures, with keys that may be elsewhere.
///
/// [`KeySetVerifier`](crate::KeySetVerifier) implements it for public keys. Implement it yourself
/// for keys that a service verifies with.
///
/// ```
/// use countersign_jwt::{Algorithm, Rejection, SignedParts, Verifier};
///
/// /// A client of a service with one RSA key.
/// struct Client;
///
/// struct ServiceUnavailable;
///
/// impl Client {
///     async fn verify_rs256(&self, input: &str, sig: &[u8]) -> Result<bool, ServiceUnavailable> {
///         // Calls the service.
/// #       let _ = (input, sig);
/// #       Ok(true)
///     }
/// }
///
/// impl Verifier for Client {
///     type Error = ServiceUnavailable;
///
///     async fn verify(
///         &self,
///         parts: &SignedParts<'_>,
///     ) -> Result<Result<(), Rejection>, ServiceUnavailable> {
///         if parts.key_id.as_deref() != Some("my-key") {
///             return Ok(Err(Rejection::UnknownKey));
///         }
///         // The key decides about the algorithm, not the token.
///         if parts.algorithm != Algorithm::Rs256 {
///             let (key, token) = (Algorithm::Rs256, parts.algorithm);
///             return Ok(Err(Rejection::WrongAlgorithm { key, token }));
///         }
///         let is_valid = self.verify_rs256(parts.signing_input, &parts.signature).await?;
///         Ok(if is_valid { Ok(()) } else { Err(Rejection::Signature) })
///     }
/// }
/// ```
pub trait Verifier {
    /// Why a signature could not be verified, for example because a service did not respond.
    type Error;

    /// Finds the key, and verifies the signature.
    ///
    /// # Errors
    /// The outer error says that there is no result: the token may be valid or not. The inner error
    /// refuses the token: [`Rejection::UnknownKey`], [`Rejection::WrongAlgorithm`] or
    /// [`Rejection::Signature`].
    fn verify(
        &self,
        parts: &SignedParts<'_>,
    ) -> impl Future<Output = Result<Result<(), Rejection>, Self::Error>> + Send;
}
