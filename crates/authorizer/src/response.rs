use jwt::{Claims, json};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    Cached, Decision, Grant, HttpApiResponse, Kind, Profile, Request, Route, context::context,
    policy::Policy,
};

/// An answer that API Gateway takes from an authorizer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// A policy: REST and WebSocket APIs, and HTTP APIs that are not configured otherwise.
    #[serde(rename_all = "camelCase")]
    Policy {
        /// Who it is, as API Gateway's logs have it.
        principal_id: String,
        /// What they may do.
        policy_document: Policy,
        /// What the backend gets to know of them.
        context: Map<String, Value>,
    },
    /// A yes or a no: HTTP APIs with simple responses.
    #[serde(rename_all = "camelCase")]
    Simple {
        /// Whether the request goes on.
        is_authorized: bool,
        /// What the backend gets to know.
        context: Map<String, Value>,
    },
}

/// Why there is no answer that API Gateway could be given, though there is a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// The policy, the principal and the claims that say who and what for do not fit together.
    #[error("the answer would be longer than API Gateway takes")]
    TooLong,
    /// A yes or a no that API Gateway might keep, and use for a route of which the rules say otherwise.
    #[error(
        "a simple answer could be kept for routes of which the rules say otherwise; add \
         $context.routeKey to the authorizer's identity sources, or name routes as the API has them"
    )]
    Kept,
}

impl Unanswerable {
    /// A name that stays, for logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "AnswerTooLong",
            Self::Kept => "AnswerKept",
        }
    }
}

/// What API Gateway is answered, or `None` where it is the error `Unauthorized`.
///
/// # Errors
/// When no answer would be right.
pub fn response(
    request: &Request,
    decision: &Decision,
    profile: &Profile,
) -> Result<Option<Response>, Unanswerable> {
    let grant = match decision {
        Decision::Allow(grant) | Decision::Forbid(grant) => grant,
        Decision::Refuse(_) => return Ok(None),
    };
    let nested = request.kind == Kind::Http2;
    if nested && profile.http_api_response == HttpApiResponse::Simple {
        let is_authorized = matches!(decision, Decision::Allow(_));
        if let (Some(rules), Some(access)) = (&profile.rules, &grant.access) {
            let everywhere = match &request.cached {
                Cached::Never => Some(is_authorized),
                Cached::ByRoute(key) if request.route == Route::Key(key.clone()) => {
                    Some(is_authorized)
                }
                Cached::ByRoute(key) => rules.permit_all(access, key),
                Cached::ByIdentity => rules.permit_all(access, EVERYTHING),
            };
            if everywhere != Some(is_authorized) {
                return Err(Unanswerable::Kept);
            }
        }
        let bare = Response::Simple { is_authorized, context: Map::new() };
        return with_context(bare, grant, nested);
    }
    let policy_document = Policy::new(request, profile.rules.as_ref(), grant.access.as_ref());
    let principal_id = principal(&grant.claims).to_owned();
    let bare = Response::Policy { principal_id, policy_document, context: Map::new() };
    with_context(bare, grant, nested)
}

fn with_context(
    mut response: Response,
    grant: &Grant,
    nested: bool,
) -> Result<Option<Response>, Unanswerable> {
    let bare = match &response {
        Response::Policy { principal_id, policy_document, .. } => {
            let rest = r#"{"principalId":,"policyDocument":,"context":{}}"#.len();
            rest + json::text_bytes(principal_id) + policy_document.bytes()
        }
        Response::Simple { is_authorized, .. } => {
            let rest = r#"{"isAuthorized":,"context":{}}"#.len();
            rest + if *is_authorized { "true" } else { "false" }.len()
        }
    };
    let (found, taken) = context(&grant.claims, nested, MAX_BYTES.saturating_sub(bare));
    let (Response::Policy { context, .. } | Response::Simple { context, .. }) = &mut response;
    *context = found;
    if bare.saturating_add(taken) > MAX_BYTES {
        return Err(Unanswerable::TooLong);
    }
    Ok(Some(response))
}

/// The `sub`, or what API Gateway writes for a missing value in its logs: it takes no answer without
/// a principal.
fn principal(claims: &Claims) -> &str {
    claims.text("sub").filter(|subject| !subject.is_empty()).unwrap_or("-")
}

/// What API Gateway takes in all.
const MAX_BYTES: usize = 8192;
/// The route key that every request fits.
const EVERYTHING: &str = "$default";
