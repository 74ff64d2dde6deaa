//! Lambda authorizers and the policy cache.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    api_request::ApiRequest, explained_response::ResponseReason, rest_api::LambdaAuthorizer,
};
use crate::{
    iam::{IamDecision, PolicyDocument},
    lambda::{FunctionError, HostedFunction},
};

/// The result of authorization.
#[derive(Debug)]
pub(super) enum Authorization {
    /// The request is allowed. The value is `$context.authorizer`.
    Allowed(Value),
    /// The response is 401.
    Unauthorized,
    /// The response is 403.
    Denied(IamDecision),
    /// The response is 500, as the authorizer failed.
    Failed(FunctionError),
    /// The response is 500, as API Gateway does not accept the output of the authorizer.
    Misconfigured,
}

/// The source of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DecisionSource {
    /// This identity source is missing. The function was not invoked.
    MissingSource(String),
    /// `ValidationExpression` does not match the token. The function was not invoked.
    ValidationExpression,
    /// A cached policy.
    Cache,
    /// The function, in the invocation with this id.
    Function(Uuid),
}

impl DecisionSource {
    /// Why the response is 401. The log of the function can have a better reason.
    pub(super) fn unauthorized_reason(&self) -> String {
        match self {
            Self::MissingSource(name) if name.eq_ignore_ascii_case("authorization") => {
                "no credentials".into()
            }
            Self::MissingSource(name) => format!("the identity source {name} is missing"),
            Self::ValidationExpression => "ValidationExpression does not match the token".into(),
            Self::Cache | Self::Function(_) => "the authorizer answered Unauthorized".into(),
        }
    }

    /// The reason for the response to a decision. `cached` says what the cache has.
    pub(super) fn explain(&self, reason: String, cached: &str) -> ResponseReason {
        match self {
            Self::Function(id) => ResponseReason::Logged(*id, reason),
            Self::Cache => ResponseReason::Known(format!("{reason} ({cached})")),
            Self::MissingSource(_) | Self::ValidationExpression => ResponseReason::Known(reason),
        }
    }
}

/// The cache of authorizer outputs. As in API Gateway, the method and the path are not part of the key.
pub(super) struct OutputCache<T>(Mutex<HashMap<CacheKey, (Instant, T)>>);

/// The function of the authorizer, and all values of its identity sources.
pub(super) type CacheKey = (String, Vec<Vec<u8>>);

impl<T> Default for OutputCache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for OutputCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputCache").finish_non_exhaustive()
    }
}

/// The output of an authorizer ("Output from an API Gateway Lambda authorizer" in the developer guide).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizerOutput {
    principal_id: String,
    policy_document: PolicyDocument,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

impl AuthorizerOutput {
    /// Reads an output that API Gateway accepts: a principal, a policy and a context of scalars. A null is ignored.
    pub(super) fn read(output: Value) -> Option<Self> {
        let mut output: Self = serde_json::from_value(output).ok()?;
        let context = output.context.get_or_insert_default();
        context.retain(|_, value| !value.is_null());
        let is_scalar =
            |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        let context_is_valid = context.values().all(is_scalar);
        let is_valid = !output.principal_id.is_empty()
            && output.policy_document.is_authorizer_policy()
            && context_is_valid;
        is_valid.then_some(output)
    }

    /// The decision of the policy on a method or route with this ARN.
    pub(super) fn authorization(&self, arn: &str) -> Authorization {
        match self.policy_document.evaluate("execute-api:Invoke", arn) {
            IamDecision::Allowed => {
                let mut context = self.context.clone().unwrap_or_default();
                context.insert("principalId".into(), self.principal_id.clone().into());
                Authorization::Allowed(Value::Object(context))
            }
            decision => Authorization::Denied(decision),
        }
    }
}

/// Whether a value of an identity source counts as present.
pub(super) fn is_present(value: &[u8]) -> bool {
    !value.is_empty()
}

/// Authorizes a request by a cached policy or by invoking the authorizer.
pub(super) async fn authorize(
    authorizer: &LambdaAuthorizer,
    function: &HostedFunction,
    cache: &OutputCache<AuthorizerOutput>,
    request: &ApiRequest,
) -> (Authorization, DecisionSource) {
    let mut values = Vec::new();
    for name in &authorizer.headers {
        let before = values.len();
        let present =
            request.headers.get_all(name).iter().filter(|value| is_present(value.as_bytes()));
        values.extend(present.map(|value| value.as_bytes().to_vec()));
        if values.len() == before {
            let source = DecisionSource::MissingSource(name.clone());
            return (Authorization::Unauthorized, source);
        }
    }
    let event = match &authorizer.token {
        None => request.authorizer_event(),
        Some(source) => {
            let token = values.last().map(|token| String::from_utf8_lossy(token).into_owned());
            let token = token.unwrap_or_default();
            if !source.accepts(&token) {
                return (Authorization::Unauthorized, DecisionSource::ValidationExpression);
            }
            request.token_event(&token)
        }
    };
    let key = (authorizer.function.clone(), values);
    if let Some(output) = cache.get(&key) {
        return (output.authorization(&request.arn()), DecisionSource::Cache);
    }
    let invocation = function.invoke(&event).await;
    let source = DecisionSource::Function(invocation.id);
    let authorization = match invocation.result {
        Ok(output) => match AuthorizerOutput::read(output) {
            Some(output) => {
                let authorization = output.authorization(&request.arn());
                cache.insert(key, output, authorizer.ttl);
                authorization
            }
            None => Authorization::Misconfigured,
        },
        Err(error) if error.message == "Unauthorized" => Authorization::Unauthorized,
        Err(error) => Authorization::Failed(error),
    };
    (authorization, source)
}

impl<T: Clone> OutputCache<T> {
    pub(super) fn get(&self, key: &CacheKey) -> Option<T> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, (expiry, _)| Instant::now() < *expiry);
        entries.get(key).map(|(_, output)| output.clone())
    }

    /// Keeps an output for this time. Zero disables the cache.
    pub(super) fn insert(&self, key: CacheKey, output: T, ttl: Duration) {
        if ttl.is_zero() {
            return;
        }
        let expiry = Instant::now() + ttl;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (expiry, output));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn malformed_authorizer_outputs_are_rejected() {
        let good = json!({
            "principalId": "a",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
            },
            "context": {"a": "x", "b": 1, "c": true},
        });
        let rows = [
            ("a complete output", "/context", json!({"a": "x", "b": 1, "c": true}), true),
            ("an empty context", "/context", json!({}), true),
            ("an object in the context", "/context/a", json!({}), false),
            ("an array in the context", "/context/a", json!([]), false),
            ("a null in the context", "/context/a", json!(null), true),
            ("a null context", "/context", json!(null), true),
            ("an empty principal", "/principalId", json!(""), false),
            ("a principal that is a number", "/principalId", json!(1), false),
            (
                "an action in an array",
                "/policyDocument/Statement/0/Action",
                json!(["execute-api:Invoke"]),
                true,
            ),
            ("a resource in an array", "/policyDocument/Statement/0/Resource", json!(["*"]), true),
            ("another version", "/policyDocument/Version", json!("2008-10-17"), false),
            ("no policy", "/policyDocument", json!(null), false),
        ];
        for (name, pointer, value, expected) in rows {
            let mut output = good.clone();
            *output.pointer_mut(pointer).unwrap() = value;
            assert_eq!(AuthorizerOutput::read(output).is_some(), expected, "{name}");
        }
    }
}
