//! Issuance policies: which caller may ask for which token.

mod caller;
mod policy;

pub use caller::Caller;
pub use policy::{
    DeniedField, IssuanceDefaults, IssuancePolicy, IssuancePolicyError, IssuanceRequest,
};
