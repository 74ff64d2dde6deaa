use jwt::{Candidate, Claims, Rejection, UnixTime, UnverifiedToken, Verifier};

use crate::{Access, Profile, Request, bearer::token};

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The token is good, and opens the route.
    Allow(Grant),
    /// The token is good, and no rule opens the route to it.
    Forbid(Grant),
    /// There is no good token.
    Refuse(Refusal),
}

/// A good token, and what it is good for.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Its claims.
    pub claims: Claims,
    /// Which rules are open to it; without rules, everything is.
    pub access: Option<Access>,
}

/// Why a request has no good token. The log learns it, the client does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No credentials where they are looked for.
    #[error("no credentials")]
    NoCredentials,
    /// More than one.
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
        Ok(claims) => grant(request, profile, claims),
        Err(rejection) => Decision::Refuse(rejection.into()),
    })
}

/// Everything that can be settled without the key.
fn screen<'a>(
    request: &'a Request,
    profile: &Profile,
    now: UnixTime,
) -> Result<Candidate<'a>, Refusal> {
    let token = UnverifiedToken::parse(token(request, profile)?)?;
    Ok(token.screen(&profile.token, now)?)
}

fn grant(request: &Request, profile: &Profile, claims: Claims) -> Decision {
    let Some(rules) = &profile.rules else {
        return Decision::Allow(Grant { claims, access: None });
    };
    let access = rules.access(&claims);
    let open = rules.permit(&access, &request.route);
    let grant = Grant { claims, access: Some(access) };
    if open { Decision::Allow(grant) } else { Decision::Forbid(grant) }
}
