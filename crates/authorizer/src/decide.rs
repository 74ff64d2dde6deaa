use jwt::{Candidate, Claims, Rejection, UnixTime, UnverifiedToken, Verifier};

use policy::access::{Access, AccessRules, ForbidReason, LazyAccess, Route};

use crate::{
    AuthorizerConfig, AuthorizerEvent, CacheScope, EventFormat, HttpApiResponse, bearer::token,
};

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The token is good, and opens the route.
    Allow(VerifiedToken),
    /// The token is good, and does not open the route.
    Forbid(VerifiedToken, ForbidReason),
    /// There is no good token.
    Refuse(Refusal),
}

/// A good token, and what it is good for.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedToken {
    /// Its claims.
    pub claims: Claims,
    /// Which rules are open to it, of those that the answer depends on; without rules, everything is.
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
    request: &AuthorizerEvent,
    profile: &AuthorizerConfig,
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
    request: &'a AuthorizerEvent,
    profile: &AuthorizerConfig,
    now: UnixTime,
) -> Result<Candidate<'a>, Refusal> {
    let token = UnverifiedToken::parse(token(request, profile)?)?;
    Ok(token.screen(&profile.token, now)?)
}

fn grant(request: &AuthorizerEvent, profile: &AuthorizerConfig, claims: Claims) -> Decision {
    let Some(rules) = &profile.rules else {
        return Decision::Allow(VerifiedToken { claims, access: None });
    };
    let access = rules.access(&claims);
    let is_simple =
        request.kind == EventFormat::Http2 && profile.http_api_response == HttpApiResponse::Simple;
    // A policy is over all routes that its API can have. Any other answer is about this request alone.
    if !is_simple {
        access.evaluate_for_policy(request.kind.api());
    }
    let reason = rules.forbid_reason(&access, &request.route).or_else(|| {
        let reused = is_simple && !is_open_wherever_cached(request, rules, &access);
        reused.then_some(ForbidReason::CachedResponse)
    });
    let grant = VerifiedToken { access: Some(access.settle()), claims };
    match reason {
        None => Decision::Allow(grant),
        Some(reason) => Decision::Forbid(grant, reason),
    }
}

/// Whether all routes are open for which API Gateway may use a simple response to this request again.
fn is_open_wherever_cached(
    request: &AuthorizerEvent,
    rules: &AccessRules,
    access: &LazyAccess,
) -> bool {
    match &request.cached {
        CacheScope::Never => true,
        CacheScope::ByRoute(key) if request.route == Route::Key(key.clone()) => true,
        CacheScope::ByRoute(key) => rules.permit_all(access, key) == Some(true),
        CacheScope::ByIdentity => rules.permit_all(access, EVERYTHING) == Some(true),
    }
}

/// The route key that every request fits.
const EVERYTHING: &str = "$default";
