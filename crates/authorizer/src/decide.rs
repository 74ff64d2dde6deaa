use jwt::{Candidate, Claims, UnixTime, UnverifiedToken, Verifier};
use policy::access::{AccessRules, ForbidReason, LazyAccess, Route};

use crate::{
    AuthorizerConfig, AuthorizerEvent, CacheScope, Decision, Refusal, VerifiedToken,
    bearer::bearer_token,
};

/// Decides on a request. The verifier is called last, and only for a token that passes every other check.
///
/// # Errors
/// The verifier's error if it cannot verify the signature. The token may still be valid.
pub async fn decide<V: Verifier>(
    request: &AuthorizerEvent,
    config: &AuthorizerConfig,
    now: UnixTime,
    verifier: &V,
) -> Result<Decision, V::Error> {
    let candidate = match check_without_key(request, config, now) {
        Ok(candidate) => candidate,
        Err(refusal) => return Ok(refusal.into()),
    };
    Ok(match candidate.confirm(verifier).await? {
        Ok(claims) if config.revocations.contains(&claims) => {
            Decision::Refuse { refusal: Refusal::Revoked, claims: Some(claims) }
        }
        Ok(claims) => apply_rules(request, config, claims),
        Err(rejection) => Refusal::from(rejection).into(),
    })
}

/// Every check that needs no key.
fn check_without_key<'a>(
    request: &'a AuthorizerEvent,
    config: &AuthorizerConfig,
    now: UnixTime,
) -> Result<Candidate<'a>, Refusal> {
    let token = UnverifiedToken::parse(bearer_token(request, &config.credentials)?)?;
    Ok(token.screen(&config.token, now)?)
}

fn apply_rules(request: &AuthorizerEvent, config: &AuthorizerConfig, claims: Claims) -> Decision {
    let Some(rules) = &config.rules else {
        return Decision::Allow(VerifiedToken { claims, access: None });
    };
    let access = rules.access(&claims);
    let is_simple = config.has_simple_response(request.format);
    // A policy covers every route of the API, so it needs every rule. A simple response is about this request.
    if !is_simple {
        access.evaluate_for_policy(request.format.api());
    }
    let reason = rules.forbid_reason(&access, &request.route).or_else(|| {
        let may_be_reused = is_simple && !is_open_wherever_cached(request, rules, &access);
        may_be_reused.then_some(ForbidReason::CachedResponse)
    });
    let token = VerifiedToken { access: Some(access.settle()), claims };
    match reason {
        None => Decision::Allow(token),
        Some(reason) => Decision::Forbid(token, reason),
    }
}

/// Whether the rules open every route for which API Gateway may use the cached simple response to this request.
fn is_open_wherever_cached(
    request: &AuthorizerEvent,
    rules: &AccessRules,
    access: &LazyAccess,
) -> bool {
    match &request.cache_scope {
        CacheScope::Never => true,
        CacheScope::ByRoute(key) if request.route == Route::Key(key.clone()) => true,
        CacheScope::ByRoute(key) => rules.permit_all(access, key) == Some(true),
        CacheScope::ByIdentity => rules.permit_all(access, DEFAULT_ROUTE) == Some(true),
    }
}

/// The route key that matches every request.
const DEFAULT_ROUTE: &str = "$default";
