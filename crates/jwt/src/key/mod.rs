//! Public keys: their values, their encodings, and verification with one key.

mod certificate;
mod check;
mod curve;
mod ecdsa;
mod error;
mod jwk;
mod jwk_set;
mod ml_dsa;
mod public_key;
mod roca;
mod spki;
mod thumbprint;
mod verifying_key;

pub use curve::Curve;
pub use error::KeyError;
pub use jwk::Jwk;
pub use jwk_set::{JwkSet, UnusableKey};
pub use ml_dsa::MlDsa;
pub use public_key::PublicKey;
pub use verifying_key::VerifyingKey;
