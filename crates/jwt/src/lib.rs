//! What a token is: parse, screen, verify, encode. No network, no clock, no environment.
//!
//! Start with [`UnverifiedToken`]: a token's text becomes a [`Candidate`] when everything that
//! needs no key is in order, and [`Claims`] when a [`Verifier`] has vouched for its signature. No
//! claim can be read on the way. In the other direction, a [`Signer`] turns a [`UnsignedToken`] into a
//! [`Signed`] token.

mod algorithm;
mod base64url;
mod claims;
mod der;
mod ecdsa;
mod header;
mod hex;
mod identifier;
pub mod json;
mod jwk;
mod key;
mod key_set_verifier;
mod pem;
mod rejection;
mod time;
mod token;
mod token_type;
mod traits;
mod unsigned_token;
mod validation;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{CONTEXT_CLAIMS, Claims, MAX_CONTEXT_CLAIMS_BYTES, context_claims_len};
pub use ecdsa::Curve;
pub use identifier::is_plain_identifier;
pub use jwk::{Jwk, JwkSet};
pub use key::{KeyError, MlDsa, PublicKey, VerifyingKey};
pub use key_set_verifier::KeySetVerifier;
pub use rejection::Rejection;
pub use time::UnixTime;
pub use token::{Candidate, SignedParts, UnverifiedToken};
pub use token_type::is_same_token_type;
pub use traits::{Signed, Signer, Verifier};
pub use unsigned_token::{SigningInput, Token, UnsignedToken};
pub use validation::Validation;
