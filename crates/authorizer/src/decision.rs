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
    /// The request has no token that is accepted.
    Refuse {
        /// The reason.
        refusal: Refusal,
        /// The token's claims, if they have been verified.
        claims: Option<Claims>,
    },
}

impl From<Refusal> for Decision {
    /// A refusal without verified claims.
    fn from(refusal: Refusal) -> Self {
        Self::Refuse { refusal, claims: None }
    }
}

impl Decision {
    /// The check that failed, if any.
    #[must_use]
    pub const fn failed(&self) -> Option<Check> {
        match self {
            Self::Allow(_) => None,
            Self::Forbid(..) => Some(Check::Rules),
            Self::Refuse { refusal, .. } => Some(refusal.check()),
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
