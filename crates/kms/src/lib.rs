//! A ring of AWS KMS keys that signs and verifies JSON Web Tokens.
//!
//! [`Keyring`] loads the public keys of a ring and refreshes them. [`KmsSigner`] and [`KmsVerifier`] implement
//! [`jwt::Signer`] and [`jwt::Verifier`] with KMS Sign and KMS Verify.

mod cached_ring;
mod clock;
mod fault;
mod key;
mod key_name;
mod keyring;
mod message;
mod response;
mod ring;
mod signer;
mod stopwatch;
mod verifier;

pub use aws_sdk_kms::{Client, types::KeySpec};

pub use cached_ring::PublishedRing;
pub use clock::SuspendAwareInstant;
pub use fault::{Cause, ErrorChain, Fault};
pub use key::Key;
pub use key_name::KeyName;
pub use keyring::{KEY_SET_MAX_AGE, Keyring, SIGNING_LAG};
pub use message::algorithms;
pub use response::key_id;
pub use ring::Ring;
pub use signer::KmsSigner;
pub use stopwatch::Stopwatch;
pub use verifier::{KmsVerifier, Verification};
