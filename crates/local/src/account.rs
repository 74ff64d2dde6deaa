//! The AWS account of the local services.

/// The id of the account that owns everything on this machine.
pub(crate) const ACCOUNT: &str = "000000000000";
