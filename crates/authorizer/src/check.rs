use jwt::Rejection;

use crate::{Decision, Refusal};

/// A check of a request. The checks run in the order of the variants, and the first failure ends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The request has one bearer token.
    Credentials,
    /// The token is not too long and has three parts of base64url.
    Form,
    /// The header is a strict JSON object with a known algorithm, the configured type, and no parameter that
    /// would change how the token is read.
    Header,
    /// The payload is a strict JSON object, its registered claims have the right types, and the claims that are
    /// passed on are not too long.
    Claims,
    /// `exp`, `nbf` and `iat` admit the current time.
    Time,
    /// `iss` is the configured issuer.
    Issuer,
    /// `aud` names a configured audience.
    Audience,
    /// The ring has the key, and the key has the algorithm.
    Key,
    /// The key made the signature.
    Signature,
    /// The access rules open the route.
    Rules,
}

impl Check {
    /// All checks, in their order.
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

    /// A short description of what is checked.
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
    /// The check that failed, if any.
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
