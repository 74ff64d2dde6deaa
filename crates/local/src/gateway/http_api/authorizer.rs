//! Lambda authorizers of HTTP APIs: policies and simple responses.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    definition::{HttpAuthorizer, HttpRoute},
    event::HttpRequest,
};
use crate::{
    gateway::authorizer::{DecisionSource, OutputCache},
    iam::{IamDecision, PolicyDocument},
    lambda::{FunctionError, HostedFunction},
};

/// The result of authorization.
#[derive(Debug)]
pub(super) enum HttpAuthorization {
    /// The request is allowed. The value is `$context.authorizer`.
    Allowed(Map<String, Value>),
    /// The response is 401.
    Unauthorized,
    /// The response is 403.
    Denied,
    /// The response is 500, as the authorizer failed.
    Failed(FunctionError),
    /// The response is 500, as API Gateway does not accept the output of the authorizer.
    Misconfigured,
}

/// The output of an authorizer.
#[derive(Debug, Clone)]
pub(super) enum HttpOutput {
    Simple(SimpleOutput),
    Policy(Box<PolicyOutput>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SimpleOutput {
    is_authorized: bool,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyOutput {
    principal_id: String,
    policy_document: PolicyDocument,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

impl HttpOutput {
    /// Reads an output of the form that the authorizer is configured for.
    fn read(output: Value, is_simple: bool) -> Option<Self> {
        if is_simple {
            return serde_json::from_value(output).ok().map(Self::Simple);
        }
        let output: Box<PolicyOutput> = serde_json::from_value(output).ok()?;
        let is_valid =
            !output.principal_id.is_empty() && output.policy_document.is_authorizer_policy();
        is_valid.then_some(Self::Policy(output))
    }

    fn authorization(&self, request: &HttpRequest) -> HttpAuthorization {
        let (is_allowed, context) = match self {
            Self::Simple(output) => (output.is_authorized, &output.context),
            Self::Policy(output) => {
                let decision =
                    output.policy_document.evaluate("execute-api:Invoke", &request.arn());
                (decision == IamDecision::Allowed, &output.context)
            }
        };
        if !is_allowed {
            return HttpAuthorization::Denied;
        }
        let mut context = context.clone().unwrap_or_default();
        if let Self::Policy(output) = self {
            context.insert("principalId".into(), output.principal_id.clone().into());
        }
        HttpAuthorization::Allowed(context)
    }
}

/// Authorizes a request by a cached output or by invoking the authorizer.
pub(super) async fn authorize(
    authorizer: &HttpAuthorizer,
    function: &HostedFunction,
    cache: &OutputCache<HttpOutput>,
    request: &HttpRequest,
    route: &HttpRoute,
) -> (HttpAuthorization, DecisionSource) {
    let identity = authorizer
        .sources
        .iter()
        .map(|source| request.identity(source, route).ok_or_else(|| source.name().to_owned()));
    let identity = match identity.collect::<Result<Vec<_>, _>>() {
        Ok(identity) => identity,
        Err(name) => return (HttpAuthorization::Unauthorized, DecisionSource::MissingSource(name)),
    };
    let values = identity.iter().map(|value| value.clone().into_bytes()).collect();
    let key = (authorizer.function.clone(), values);
    if let Some(output) = cache.get(&key) {
        return (output.authorization(request), DecisionSource::Cache);
    }
    let event = request.authorizer_event(authorizer.format, &identity, route);
    let invocation = function.invoke(&event).await;
    let source = DecisionSource::Function(invocation.id);
    let authorization = match invocation.result {
        Ok(output) => match HttpOutput::read(output, authorizer.is_simple) {
            Some(output) => {
                let authorization = output.authorization(request);
                cache.insert(key, output, authorizer.ttl);
                authorization
            }
            None => HttpAuthorization::Misconfigured,
        },
        Err(error) if error.message == "Unauthorized" => HttpAuthorization::Unauthorized,
        Err(error) => HttpAuthorization::Failed(error),
    };
    (authorization, source)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn output_is_accepted_only_in_the_configured_form() {
        let statement = json!({"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"});
        let policy = json!({
            "principalId": "a",
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": {"a": {"b": [1, null]}},
        });
        let simple = json!({"isAuthorized": true, "context": {"a": {"b": 1}}});
        let without = |mut value: Value, name: &str| {
            value.as_object_mut().unwrap().remove(name);
            value
        };
        let with = |mut value: Value, name: &str, member: Value| {
            value[name] = member;
            value
        };
        // The output, and whether it is a policy and a simple response that API Gateway accepts.
        let rows = [
            ("a policy", policy.clone(), true, false),
            ("a simple response", simple.clone(), false, true),
            ("a policy without a context", without(policy.clone(), "context"), true, false),
            (
                "a policy with a null context",
                with(policy.clone(), "context", json!(null)),
                true,
                false,
            ),
            ("a policy without a principal", without(policy.clone(), "principalId"), false, false),
            ("an empty principal", with(policy.clone(), "principalId", json!("")), false, false),
            ("a policy of another kind", with(policy, "policyDocument", json!({})), false, false),
            (
                "a simple response without a context",
                without(simple.clone(), "context"),
                false,
                true,
            ),
            ("a text for true", with(simple.clone(), "isAuthorized", json!("true")), false, false),
            ("a context that is a text", with(simple, "context", json!("a")), false, false),
        ];
        for (name, output, is_policy, is_simple) in rows {
            let accepted =
                [false, true].map(|simple| HttpOutput::read(output.clone(), simple).is_some());
            assert_eq!(accepted, [is_policy, is_simple], "{name}");
        }
    }
}
