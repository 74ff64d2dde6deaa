//! Issuance policies: which caller may request which token.
//!
//! [`IssuancePolicy::grant`] decides on an [`IssuanceRequest`], whose claims the caller chooses.
//! [`IssuancePolicy::grant_to_client`] decides on a [`ClientRequest`], whose claims the rule chooses: a request of OAuth
//! 2.0. [`IssuancePolicy::check_issuers`] compares the rules with the trusted issuers.

mod asserted;
mod caller;
mod client;
mod comparison;
mod denied;
mod error;
mod policy;
mod request;
mod reserved;
mod rule;
mod subjects;

pub use caller::{AssertedIdentity, Caller, CallerError};
pub use client::{ClientGrant, ClientRequest};
pub use comparison::{IssuancePolicyWarning, KnownIssuer};
pub use denied::DeniedField;
pub use error::IssuancePolicyError;
pub use policy::{Granted, IssuancePolicy, RuleVerdict};
pub use request::{IssuanceDefaults, IssuanceRequest};
pub use reserved::RESERVED_CLAIMS;
