//! JSON Web Tokens with strict parsing, whose keys may be anywhere: in this process, in a JWK Set,
//! or in a key management service that signs and verifies over the network.
//!
//! The crate has no I/O: it does not read the network, the clock or the environment. Time is an
//! argument, and keys that are elsewhere are behind the two traits [`Signer`] and [`Verifier`].
//!
//! # Where to start
//!
//! | to | use |
//! |---|---|
//! | verify a token | [`UnverifiedToken::parse`], [`UnverifiedToken::screen`], [`Candidate::confirm`] |
//! | state which tokens are accepted | [`Validation`] |
//! | verify with public keys | [`JwkSet`], [`KeySetVerifier`] |
//! | verify with keys that are elsewhere | implement [`Verifier`] |
//! | create a token | [`UnsignedToken`], and a [`Signer`] |
//! | read or write a public key (JWK, DER, PEM) | [`Jwk`], [`PublicKey`] |
//! | read JSON strictly | [`json`] |
//!
//! The types record what was proved: an [`UnverifiedToken`] has the form of a token, a
//! [`Candidate`] has passed every check that needs no key, and [`Claims`] belong to a token whose
//! signature was verified. Claims cannot be read earlier.
//!
//! A refusal is not an error: a [`Verifier`] returns `Ok(Err(Rejection))` for a bad signature, and
//! `Err` if it could not find out.
//!
//! # Verify a token with a JWK Set
//!
//! ```
//! use std::{error::Error, time::Duration};
//!
//! use countersign_jwt::{
//!     JwkSet, KeySetVerifier, Rejection, UnixTime, UnverifiedToken, Validation,
//! };
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn Error>> {
//!     // The key of RFC 8037 appendix A.2 as an issuer publishes it.
//!     let keys = JwkSet::read(
//!         br#"{"keys": [{
//!             "kty": "OKP",
//!             "crv": "Ed25519",
//!             "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
//!             "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
//!         }]}"#,
//!     )?;
//!     let verifier = KeySetVerifier::new(&keys)?;
//!     let (issuer, audiences) = ("https://issuer.example".into(), vec!["orders".into()]);
//!     let validation =
//!         Validation::new(Some(issuer), Some(audiences)).with_leeway(Duration::from_secs(60));
//!     let token = concat!(
//!         "eyJhbGciOiJFZDI1NTE5IiwidHlwIjoiSldUIiwia2lkIjoia1ByS19xbXhWV2FZVkE5d3dCRjZJdW8z",
//!         "dlZ6ejdUeEhDVHdYQnlnclM0ayJ9.eyJhdWQiOiJvcmRlcnMiLCJleHAiOjE3NjcyMjkyMDAsImlzcyI6",
//!         "Imh0dHBzOi8vaXNzdWVyLmV4YW1wbGUiLCJzdWIiOiJhbGljZSJ9.RGO_A8hguw51HtUEhLopgkz0WeJX",
//!         "sxSqtIi3cWG-ATcsQR6mFN7GGOgDmuzsbuOIz2Fbm0zFlY7qgjx1ZjsyDg",
//!     );
//!
//!     // 2026-01-01T00:00:00Z. A program uses `UnixTime::from(SystemTime::now())`.
//!     let now = UnixTime::from_seconds(1_767_225_600);
//!     let candidate = UnverifiedToken::parse(token)?.screen(&validation, now)?;
//!     // The outer error: the verifier could not answer. The inner one: it refuses the token.
//!     let claims = candidate.confirm(&verifier).await??;
//!     assert_eq!(claims.text("sub"), Some("alice"));
//!
//!     // Two hours later the token has expired.
//!     let later = now.after(Duration::from_secs(2 * 60 * 60));
//!     let refused = UnverifiedToken::parse(token)?.screen(&validation, later);
//!     assert!(matches!(refused, Err(Rejection::Expired { .. })));
//!     Ok(())
//! }
//! ```
//!
//! # Write your own signer
//!
//! This signer has its key in memory. One that calls a service awaits the response in `sign`, and
//! returns the service's errors as `Error`.
//!
//! ```
//! use std::{convert::Infallible, error::Error};
//!
//! use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
//! use countersign_jwt::{
//!     Algorithm, Jwk, JwkSet, KeySetVerifier, PublicKey, Signed, Signer, UnsignedToken,
//!     UnverifiedToken, Verifier,
//! };
//! use serde_json::{Map, json};
//!
//! struct LocalSigner {
//!     key_pair: Ed25519KeyPair,
//!     key_id: String,
//! }
//!
//! impl Signer for LocalSigner {
//!     type Error = Infallible;
//!
//!     async fn sign(&self, token: &UnsignedToken) -> Result<Signed, Infallible> {
//!         let input = token.signing_input(Algorithm::Ed25519, &self.key_id);
//!         let signature = self.key_pair.sign(input.as_bytes());
//!         Ok(Signed {
//!             token: input.into_token(signature.as_ref()),
//!             key_id: self.key_id.clone(),
//!             receipt: None,
//!         })
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn Error>> {
//!     let key_pair = Ed25519KeyPair::generate()?;
//!     let public_key = PublicKey::Ed25519(key_pair.public_key().as_ref().to_vec());
//!     let signer = LocalSigner { key_pair, key_id: public_key.thumbprint() };
//!
//!     let mut claims = Map::new();
//!     claims.insert("sub".into(), json!("alice"));
//!     claims.insert("exp".into(), json!(1_767_229_200));
//!     let signed = signer.sign(&UnsignedToken::new("JWT", &claims)).await?;
//!
//!     // Clients verify with the public key.
//!     let jwk = Jwk {
//!         key: public_key,
//!         key_id: Some(signed.key_id),
//!         algorithm: Some(Algorithm::Ed25519),
//!     };
//!     let verifier = KeySetVerifier::new(&JwkSet::new(vec![jwk]))?;
//!     let parts = UnverifiedToken::parse(signed.token.reveal())?.signed_parts()?;
//!     assert_eq!(verifier.verify(&parts).await?, Ok(()));
//!     Ok(())
//! }
//! ```

mod algorithm;
mod context_claims;
mod encoding;
mod identifier;
pub mod json;
mod key;
mod signing;
mod time;
mod token_type;
mod verification;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use context_claims::{CONTEXT_CLAIMS, MAX_CONTEXT_CLAIMS_BYTES, context_claims_len};
pub use encoding::Base64Error;
pub use identifier::{PLAIN_IDENTIFIER_RULE, is_invisible, is_plain_identifier};
pub use key::{Curve, Jwk, JwkSet, KeyError, MlDsa, PublicKey, UnusableKey, VerifyingKey};
pub use signing::{Signed, Signer, SigningInput, Token, UnsignedToken};
pub use time::UnixTime;
pub use token_type::{EmptyTokenType, TokenType, is_same_token_type};
pub use verification::{
    Candidate, Claims, KeySetVerifier, Rejection, SignedParts, TokenCheck, UnverifiedToken,
    Validation, Verifier, expiry,
};
