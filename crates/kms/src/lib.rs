//! The key ring in AWS KMS: the only crate that talks to it.
//!
//! Start with [`Keyring`], which knows the ring's public side. [`KmsSigner`] and [`KmsVerifier`]
//! are the two seams of [`jwt`] over it. Every function of the project stands on this crate, so
//! what they share is here too: [`Settings`], [`Headers`], [`telemetry`], and the way of a
//! [`function`].

mod cached_ring;
mod client;
mod clock;
mod fault;
pub mod function;
mod headers;
mod keyring;
mod message;
mod response;
mod retry;
mod ring;
pub mod rotation;
mod settings;
mod signer;
mod spelling;
pub mod telemetry;
mod trust_store;
mod verifier;

pub use aws_sdk_kms::Client;

pub use cached_ring::PublishedRing;
pub use client::{client_for, connect};
pub use fault::{Cause, Fault};
pub use headers::{Headers, Texts};
pub use keyring::Keyring;
pub use ring::{Key, KeyName, Ring};
pub use settings::{Names, Seconds, Settings, SettingsError};
pub use signer::KmsSigner;
pub use spelling::SETTINGS;
pub use verifier::{KmsVerifier, Stopwatch, Verification};
