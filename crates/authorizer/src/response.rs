use aws_lambda_events::apigw::{
    ApiGatewayV2CustomAuthorizerIamPolicyResponse, ApiGatewayV2CustomAuthorizerSimpleResponse,
};
use jwt::{Claims, is_plain_identifier};
use policy::access::{self, ForbidReason, PolicyRequest};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    AuthorizerConfig, AuthorizerEvent, Decision, EventFormat, HttpApiResponse, VerifiedToken,
    context::context,
};

/// An answer that API Gateway takes from an authorizer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AuthorizerResponse {
    /// A policy: REST and WebSocket APIs, and HTTP APIs that are not configured otherwise. The type
    /// is the one for HTTP APIs, as the one for REST APIs writes `"usageIdentifierKey": null`.
    Policy(ApiGatewayV2CustomAuthorizerIamPolicyResponse<Map<String, Value>>),
    /// A yes or a no: HTTP APIs with simple responses.
    Simple(ApiGatewayV2CustomAuthorizerSimpleResponse<Map<String, Value>>),
}

/// Why there is no answer that API Gateway could be given, though there is a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The policy, the principal and the claims that say who and what for do not fit together.
    #[error("the answer would be longer than API Gateway takes")]
    TooLong,
}

impl ResponseError {
    /// A name that stays, for logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "AnswerTooLong",
        }
    }
}

/// What API Gateway is answered, or `None` where it is the error `Unauthorized`.
///
/// # Errors
/// When no answer would be right.
pub fn response(
    request: &AuthorizerEvent,
    decision: &Decision,
    profile: &AuthorizerConfig,
) -> Result<Option<AuthorizerResponse>, ResponseError> {
    let (grant, reason) = match decision {
        Decision::Allow(grant) => (grant, None),
        Decision::Forbid(grant, reason) => (grant, Some(*reason)),
        Decision::Refuse(_) => return Ok(None),
    };
    let nested = request.kind == EventFormat::Http2;
    if nested && profile.http_api_response == HttpApiResponse::Simple {
        let mut simple = ApiGatewayV2CustomAuthorizerSimpleResponse::default();
        simple.is_authorized = reason.is_none();
        return with_context(AuthorizerResponse::Simple(simple), grant, nested).map(Some);
    }
    let respond = |document| {
        let mut answer = ApiGatewayV2CustomAuthorizerIamPolicyResponse::default();
        answer.principal_id = Some(principal(&grant.claims).to_owned());
        answer.policy_document = document;
        with_context(AuthorizerResponse::Policy(answer), grant, nested).map(Some)
    };
    let spelling =
        matches!(reason, Some(ForbidReason::AmbiguousPath | ForbidReason::ClosedSpelling));
    let AuthorizerEvent { kind, stage, route, .. } = request;
    let request = PolicyRequest { api: kind.api(), stage, route };
    let rules = profile.rules.as_ref().zip(grant.access.as_ref());
    match respond(access::policy(request, rules, reason)) {
        // The client chose the path that does not fit into the policy.
        Err(ResponseError::TooLong) if spelling => respond(access::deny_all(request)),
        answered => answered,
    }
}

/// Adds the claims that fit.
fn with_context(
    mut response: AuthorizerResponse,
    grant: &VerifiedToken,
    nested: bool,
) -> Result<AuthorizerResponse, ResponseError> {
    let bare = serde_json::to_string(&response).map_err(|_| ResponseError::TooLong)?.len();
    let (found, taken) = context(&grant.claims, nested, MAX_BYTES.saturating_sub(bare));
    if bare.saturating_add(taken) > MAX_BYTES {
        return Err(ResponseError::TooLong);
    }
    match &mut response {
        AuthorizerResponse::Policy(answer) => answer.context = found,
        AuthorizerResponse::Simple(answer) => answer.context = found,
    }
    Ok(response)
}

/// The `sub` where the context has it, or what API Gateway writes for a missing value in its logs: it takes
/// no answer without a principal.
fn principal(claims: &Claims) -> &str {
    let plain = |subject: &&str| !subject.is_empty() && is_plain_identifier(subject);
    claims.text("sub").filter(plain).unwrap_or("-")
}

/// What API Gateway takes in all.
const MAX_BYTES: usize = 8192;
