use jwt::{Candidate, Claims, Profile, Rejection, UnixTime, UnverifiedToken, Verifier};

use crate::{Request, bearer::bearer};

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The token is good, and these are its claims.
    Allow(Claims),
    /// There is no good token.
    Refuse(Refusal),
}

/// Why a request has no good token. The log learns it, the client does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `Authorization` header.
    #[error("no credentials")]
    NoCredentials,
    /// More than one `Authorization` header.
    #[error("several credentials")]
    SeveralCredentials,
    /// Credentials of another scheme than Bearer, or none behind the scheme.
    #[error("not a bearer token")]
    NotBearer,
    /// The token is refused.
    #[error(transparent)]
    Token(#[from] Rejection),
}

impl Refusal {
    /// A name that stays, for logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCredentials => "NoCredentials",
            Self::SeveralCredentials => "SeveralCredentials",
            Self::NotBearer => "NotBearer",
            Self::Token(rejection) => rejection.code(),
        }
    }
}

/// Decides on a request. The verifier is asked last, and only about a token that is otherwise good.
///
/// # Errors
/// When the verifier could not answer. Nothing follows from it for the token.
pub async fn decide<V: Verifier>(
    request: &Request,
    profile: &Profile,
    now: UnixTime,
    verifier: &V,
) -> Result<Decision, V::Error> {
    let candidate = match screen(request, profile, now) {
        Ok(candidate) => candidate,
        Err(refusal) => return Ok(Decision::Refuse(refusal)),
    };
    Ok(match candidate.confirm(verifier).await? {
        Ok(claims) => Decision::Allow(claims),
        Err(rejection) => Decision::Refuse(rejection.into()),
    })
}

/// Everything that can be settled without the key.
fn screen<'a>(
    request: &'a Request,
    profile: &Profile,
    now: UnixTime,
) -> Result<Candidate<'a>, Refusal> {
    let token = UnverifiedToken::parse(bearer(&request.authorization)?)?;
    Ok(token.screen(profile, now)?)
}
