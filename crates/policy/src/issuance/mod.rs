//! Issuance policies: which caller may request which token.
//!
//! [`IssuancePolicy::grant`] decides on an [`IssuanceRequest`], whose claims the caller chooses.
//! [`IssuancePolicy::grant_to_client`] decides on a [`ClientRequest`], whose claims the rule chooses: a request of OAuth
//! 2.0.

mod asserted;
mod caller;
mod client;
mod error;
mod policy;
mod reserved;
mod rule;

pub use caller::{AssertedIdentity, Caller, CallerError};
pub use client::{ClientGrant, ClientRequest};
pub use error::IssuancePolicyError;
pub use policy::{
    DeniedField, Granted, IssuanceDefaults, IssuancePolicy, IssuanceRequest, RuleVerdict,
};
pub use reserved::RESERVED_CLAIMS;
