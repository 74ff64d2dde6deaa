use jwt::Rejection;

use crate::Check;

/// Why a request has no valid token. It is logged; the client sees only 401.
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
        }
    }

    /// The check that the request did not pass.
    pub(crate) const fn check(self) -> Check {
        match self {
            Self::NoCredentials | Self::SeveralCredentials | Self::NotBearer => Check::Credentials,
            Self::Token(rejection) => Check::Token(rejection.check()),
        }
    }
}
