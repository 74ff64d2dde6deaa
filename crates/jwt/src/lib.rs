//! What a token is: parse, screen, verify, encode. No network, no clock, no environment.
//!
//! Start with [`UnverifiedToken`]: a token's text becomes a [`Candidate`] when everything that
//! needs no key is in order, and [`Claims`] when a [`Verifier`] has vouched for its signature. No
//! claim can be read on the way. In the other direction, a [`Signer`] turns a [`Draft`] into a
//! [`Signed`] token.

mod algorithm;
mod base64url;
mod claims;
mod der;
mod draft;
mod ecdsa;
mod header;
mod hex;
mod identifier;
pub mod json;
mod jwk;
mod key;
mod keys;
mod pem;
mod profile;
mod rejection;
mod seams;
mod time;
mod token;
mod token_type;

pub use algorithm::Algorithm;
pub use claims::{Claims, MAX_PASSED_ON_BYTES, PASSED_ON, passed_on_bytes};
pub use draft::{Draft, SigningInput, Token};
pub use ecdsa::Curve;
pub use identifier::is_plain_identifier;
pub use jwk::{Jwk, JwkSet};
pub use key::{KeyError, MlDsa, PublicKey, VerifyingKey};
pub use keys::Keys;
pub use profile::Profile;
pub use rejection::Rejection;
pub use seams::{Signed, Signer, Verifier};
pub use time::UnixTime;
pub use token::{Candidate, Proof, UnverifiedToken};
pub use token_type::is_same_token_type;
