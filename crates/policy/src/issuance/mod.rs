//! Issuance policies: which caller may request which token.
//!
//! [`IssuancePolicy::grant`] decides on an [`IssuanceRequest`] of a [`Caller`].

mod caller;
mod error;
mod policy;

pub use caller::{Caller, CallerError};
pub use error::IssuancePolicyError;
pub use policy::{DeniedField, IssuanceDefaults, IssuancePolicy, IssuanceRequest};
