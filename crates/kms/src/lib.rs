//! The key ring in AWS KMS: the only crate that talks to it.
//!
//! Start with [`Keyring`], which knows the ring's public side. [`KmsSigner`] and [`KmsVerifier`]
//! are the two seams of [`jwt`] over it. Every function of the project stands on this crate, so
//! what they share is here too: [`Settings`], [`Headers`], [`telemetry`], and the way of a
//! [`function`].

mod attempts;
mod calls;
mod carrier;
mod client;
mod connector;
mod endpoint;
mod fault;
pub mod function;
mod headers;
mod keyring;
mod message;
mod moment;
mod outgoing;
mod patience;
mod retries;
mod ring;
pub mod rotation;
mod runtime_api;
mod settings;
mod signer;
mod sigv4;
mod socket;
mod spelling;
pub mod telemetry;
mod trust;
mod verifier;
mod wire;

pub use aws_sdk_kms::Client;

pub use calls::Calls;
pub use client::{calls, connect};
pub use fault::{Cause, Fault};
pub use headers::{Headers, Texts};
pub use keyring::Keyring;
pub use patience::{Overdue, Patience};
pub use ring::{Key, KeyName, Ring};
pub use settings::{Names, Seconds, Settings, SettingsError};
pub use signer::KmsSigner;
pub use spelling::SETTINGS;
pub use verifier::{KmsVerifier, Stopwatch, Verification};
