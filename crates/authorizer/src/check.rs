use std::iter;

use jwt::{Rejection, TokenCheck};

/// A check of a request. The checks run in the order of [`Check::all`], and the first failure ends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The request has one bearer token.
    Credentials,
    /// The token is valid.
    Token(TokenCheck),
    /// The token is not revoked.
    Revocations,
    /// The access rules open the route.
    Rules,
}

impl Check {
    /// All checks, in their order.
    pub fn all() -> impl Iterator<Item = Self> {
        let token = TokenCheck::ALL.into_iter().map(Self::Token);
        iter::once(Self::Credentials).chain(token).chain([Self::Revocations, Self::Rules])
    }

    /// A short description of what is checked.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credentials => "one bearer token",
            Self::Token(check) => check.name(),
            Self::Revocations => "revocations",
            Self::Rules => "rules",
        }
    }
}

/// Why a request has no token that is accepted. It is logged; the client sees only 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request has no credentials where the authorizer looks for them.
    #[error("the request has no credentials")]
    NoCredentials,
    /// The request has more than one credential.
    #[error("the request has more than one credential")]
    SeveralCredentials,
    /// The credentials have another scheme than Bearer, or no token follows the scheme.
    #[error("the credentials are not a bearer token")]
    NotBearer,
    /// The token is rejected.
    #[error(transparent)]
    Token(#[from] Rejection),
    /// The token is valid but revoked.
    #[error("the token is revoked")]
    Revoked,
}

impl Refusal {
    /// The stable code in logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCredentials => "NoCredentials",
            Self::SeveralCredentials => "SeveralCredentials",
            Self::NotBearer => "NotBearer",
            Self::Token(rejection) => rejection.code(),
            Self::Revoked => "Revoked",
        }
    }

    /// The check that the request did not pass.
    pub(crate) const fn check(self) -> Check {
        match self {
            Self::NoCredentials | Self::SeveralCredentials | Self::NotBearer => Check::Credentials,
            Self::Token(rejection) => Check::Token(rejection.check()),
            Self::Revoked => Check::Revocations,
        }
    }
}
