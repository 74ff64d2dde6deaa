use jwt::{Candidate, Claims, Rejection, UnixTime, UnverifiedToken, Verifier};

use crate::{
    Access, Cached, HttpApiResponse, Kind, Profile, Request, Route, Rules, access::Opens,
    bearer::token,
};

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The token is good, and opens the route.
    Allow(Grant),
    /// The token is good, and does not open the route.
    Forbid(Grant, ForbidReason),
    /// There is no good token.
    Refuse(Refusal),
}

/// A good token, and what it is good for.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Its claims.
    pub claims: Claims,
    /// Which rules are open to it, of those that the answer depends on; without rules, everything is.
    pub access: Option<Access>,
}

/// Why a good token does not open a route. The log learns it, the client does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForbidReason {
    /// The most specific rule for the route asks for what the token does not have, or no rule names the
    /// route.
    #[error("no rule opens the route to this token")]
    ClosedRoute,
    /// A dot segment, a backslash or a control character, encoded or not: where the request ends up is the
    /// backend's decision.
    #[error("the path has a dot segment, a backslash or a control character")]
    AmbiguousPath,
    /// Decoded, without path parameters and empty segments, and without regard to case, the path is one that
    /// a rule closes.
    #[error("the path is another spelling of one that a rule closes")]
    ClosedSpelling,
    /// A yes of a simple response may be cached and used for a route that the rules close.
    #[error(
        "a simple response could be cached for routes that the rules close; add $context.routeKey to the \
         authorizer's identity sources, or name routes as the API has them"
    )]
    CachedResponse,
}

impl ForbidReason {
    /// A name that stays, for logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ClosedRoute => "ClosedRoute",
            Self::AmbiguousPath => "AmbiguousPath",
            Self::ClosedSpelling => "ClosedSpelling",
            Self::CachedResponse => "CachedResponse",
        }
    }
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
    let is_simple =
        request.kind == Kind::Http2 && profile.http_api_response == HttpApiResponse::Simple;
    // A policy is over all routes that its API can have. Any other answer is about this request alone.
    match request.kind {
        Kind::WebSocket => (),
        _ if is_simple => (),
        Kind::Rest | Kind::RestToken => access.evaluate(|rule| !rule.is_key()),
        Kind::Http1 | Kind::Http2 => access.evaluate(|_| true),
    }
    let reason = rules.forbid_reason(&access, &request.route).or_else(|| {
        let reused = is_simple && !is_open_wherever_cached(request, rules, &access);
        reused.then_some(ForbidReason::CachedResponse)
    });
    let grant = Grant { access: Some(access.settle()), claims };
    match reason {
        None => Decision::Allow(grant),
        Some(reason) => Decision::Forbid(grant, reason),
    }
}

/// Whether all routes are open for which API Gateway may use a simple response to this request again.
fn is_open_wherever_cached(request: &Request, rules: &Rules, access: &impl Opens) -> bool {
    match &request.cached {
        Cached::Never => true,
        Cached::ByRoute(key) if request.route == Route::Key(key.clone()) => true,
        Cached::ByRoute(key) => rules.permit_all(access, key) == Some(true),
        Cached::ByIdentity => rules.permit_all(access, EVERYTHING) == Some(true),
    }
}

/// The route key that every request fits.
const EVERYTHING: &str = "$default";
