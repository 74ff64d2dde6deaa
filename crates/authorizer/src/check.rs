use jwt::Rejection;

use crate::{Decision, Refusal};

/// What a request goes through, in this order: the first that fails ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// One bearer token.
    Credentials,
    /// Not too long; three parts of base64url.
    Form,
    /// A strict JSON object that names a known algorithm and the type, and no parameter that would
    /// change how the token is read.
    Header,
    /// A strict JSON object with claims of the right types that can be passed on.
    Claims,
    /// `exp`, `nbf`, `iat`.
    Time,
    /// `iss`.
    Issuer,
    /// `aud`.
    Audience,
    /// A key of the ring, and its algorithm.
    Key,
    /// The key's signature.
    Signature,
    /// A rule that opens the route.
    Rules,
}

impl Check {
    /// All of them, in their order.
    pub const ALL: [Self; 10] = [
        Self::Credentials,
        Self::Form,
        Self::Header,
        Self::Claims,
        Self::Time,
        Self::Issuer,
        Self::Audience,
        Self::Key,
        Self::Signature,
        Self::Rules,
    ];

    /// What is checked, in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credentials => "one bearer token",
            Self::Form => "form of the token",
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Time => "time",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Key => "key and algorithm",
            Self::Signature => "signature",
            Self::Rules => "rules",
        }
    }
}

impl Decision {
    /// The check that failed, if one did.
    #[must_use]
    pub const fn failed(&self) -> Option<Check> {
        match self {
            Self::Allow(_) => None,
            Self::Forbid(..) => Some(Check::Rules),
            Self::Refuse(refusal) => Some(refusal.check()),
        }
    }
}

impl Refusal {
    const fn check(self) -> Check {
        let rejection = match self {
            Self::NoCredentials | Self::SeveralCredentials | Self::NotBearer => {
                return Check::Credentials;
            }
            Self::Token(rejection) => rejection,
        };
        match rejection {
            Rejection::TooLong | Rejection::NotCompact | Rejection::Encoding => Check::Form,
            Rejection::Header
            | Rejection::Parameter(_)
            | Rejection::UnsupportedAlgorithm
            | Rejection::Type => Check::Header,
            Rejection::Claims | Rejection::ClaimsTooLong => Check::Claims,
            Rejection::NoExpiry
            | Rejection::Expired { .. }
            | Rejection::NotYetValid { .. }
            | Rejection::IssuedInFuture { .. } => Check::Time,
            Rejection::Issuer => Check::Issuer,
            Rejection::Audience => Check::Audience,
            Rejection::UnknownKey | Rejection::WrongAlgorithm { .. } => Check::Key,
            Rejection::Signature => Check::Signature,
        }
    }
}
