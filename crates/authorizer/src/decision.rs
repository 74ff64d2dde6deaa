use jwt::Claims;
use policy::access::{Access, ForbidReason};

use crate::{Check, Refusal};

/// The decision on a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The token is valid and opens the route.
    Allow(VerifiedToken),
    /// The token is valid but does not open the route.
    Forbid(VerifiedToken, ForbidReason),
    /// The request has no valid token.
    Refuse(Refusal),
    /// The token is valid but revoked. These are its claims.
    Revoked(Claims),
}

/// The `Reason` of a revoked token in logs and metrics.
pub const REVOKED: &str = "Revoked";

impl Decision {
    /// The check that failed, if any.
    #[must_use]
    pub const fn failed(&self) -> Option<Check> {
        match self {
            Self::Allow(_) => None,
            Self::Forbid(..) => Some(Check::Rules),
            Self::Refuse(refusal) => Some(refusal.check()),
            Self::Revoked(_) => Some(Check::Revocations),
        }
    }
}

/// A token whose signature and claims have been verified, with the access that it gives.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedToken {
    /// The token's claims.
    pub claims: Claims,
    /// Which rules are open to the token, of those that the response depends on. `None` without rules: every route
    /// is open.
    pub access: Option<Access>,
}
