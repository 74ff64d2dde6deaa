use aws_lambda_events::apigw::{
    ApiGatewayV2CustomAuthorizerIamPolicyResponse, ApiGatewayV2CustomAuthorizerSimpleResponse,
};
use jwt::{Claims, is_plain_identifier};
use policy::access::{self, ForbidReason, PolicyRequest};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    AuthorizerConfig, AuthorizerEvent, Decision, VerifiedToken, context::AuthorizerContext,
};

/// A response that API Gateway accepts from an authorizer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AuthorizerResponse {
    /// An IAM policy: for REST and WebSocket APIs, and for HTTP APIs without simple responses. The type is the one
    /// for HTTP APIs, because the one for REST APIs writes `"usageIdentifierKey": null`.
    Policy(ApiGatewayV2CustomAuthorizerIamPolicyResponse<Map<String, Value>>),
    /// `isAuthorized`: for HTTP APIs with simple responses.
    Simple(ApiGatewayV2CustomAuthorizerSimpleResponse<Map<String, Value>>),
}

/// Why a decision has no response that API Gateway accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The policy, the principal and the context claims together are too long.
    #[error("the response exceeds the {MAX_BYTES} bytes that API Gateway accepts")]
    TooLong,
}

impl ResponseError {
    /// The stable code in logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "AnswerTooLong",
        }
    }
}

/// The response to API Gateway. `None` stands for the Lambda error `Unauthorized`.
///
/// # Errors
/// [`ResponseError::TooLong`] if API Gateway would not accept the response.
pub fn response(
    request: &AuthorizerEvent,
    decision: &Decision,
    config: &AuthorizerConfig,
) -> Result<Option<AuthorizerResponse>, ResponseError> {
    let (token, reason) = match decision {
        Decision::Allow(token) => (token, None),
        Decision::Forbid(token, reason) => (token, Some(*reason)),
        Decision::Refuse { .. } => return Ok(None),
    };
    let has_nested = request.format.accepts_nested_context();
    if config.has_simple_response(request.format) {
        let mut simple = ApiGatewayV2CustomAuthorizerSimpleResponse::default();
        simple.is_authorized = reason.is_none();
        return with_context(AuthorizerResponse::Simple(simple), token, has_nested).map(Some);
    }
    let respond = |document| {
        let mut response = ApiGatewayV2CustomAuthorizerIamPolicyResponse::default();
        response.principal_id = Some(principal(&token.claims).to_owned());
        response.policy_document = document;
        with_context(AuthorizerResponse::Policy(response), token, has_nested).map(Some)
    };
    let denies_this_path = reason.is_some_and(ForbidReason::is_about_the_path);
    let AuthorizerEvent { format, stage, route, .. } = request;
    let request = PolicyRequest { api: format.api(), stage, route };
    let rules = config.rules.as_ref().zip(token.access.as_ref());
    match respond(access::policy(request, rules, reason)) {
        // The policy names the path that the client has chosen. Its length must not cause a fault.
        Err(ResponseError::TooLong) if denies_this_path => respond(access::deny_all(request)),
        result => result,
    }
}

/// Adds the claims that fit.
fn with_context(
    mut response: AuthorizerResponse,
    token: &VerifiedToken,
    has_nested: bool,
) -> Result<AuthorizerResponse, ResponseError> {
    let bytes = serde_json::to_string(&response).map_err(|_| ResponseError::TooLong)?.len();
    let context =
        AuthorizerContext::new(&token.claims, has_nested, MAX_BYTES.saturating_sub(bytes));
    if bytes.saturating_add(context.bytes) > MAX_BYTES {
        return Err(ResponseError::TooLong);
    }
    match &mut response {
        AuthorizerResponse::Policy(response) => response.context = context.claims,
        AuthorizerResponse::Simple(response) => response.context = context.claims,
    }
    Ok(response)
}

/// The `sub`, if the context has it. Otherwise `-`, which API Gateway writes for a missing value in its logs: it
/// accepts no response without a principal.
fn principal(claims: &Claims) -> &str {
    let is_plain = |subject: &&str| !subject.is_empty() && is_plain_identifier(subject);
    claims.text("sub").filter(is_plain).unwrap_or("-")
}

/// The longest response, in bytes, that API Gateway accepts.
const MAX_BYTES: usize = 8192;
