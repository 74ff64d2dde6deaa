use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{api::Authorizer, event::Call};
use crate::{
    iam::{IamDecision, PolicyDocument},
    lambda::{Function, FunctionError},
};

/// What an authorizer's answer means for one request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The backend is called, with this as `$context.authorizer`.
    Allowed(Value),
    /// 401.
    Unauthorized,
    /// 403.
    Denied(IamDecision),
    /// 500: the authorizer failed.
    Failed(FunctionError),
    /// 500: the authorizer answered what API Gateway does not take.
    Misconfigured,
}

/// Where an outcome comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// No credentials where the identity sources are: the function was not asked.
    Nobody,
    /// A policy that was kept.
    Cache,
    /// The function, in the invocation of this id.
    Function(Uuid),
}

/// Policies that are kept, for each authorizer under the values of its identity sources alone: not
/// the method, not the path. That is how API Gateway does it.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<Identity, (Instant, Grant)>>);

/// The authorizer's function, and every value of every header that it goes by.
type Identity = (String, Vec<Vec<u8>>);

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

/// An authorizer's answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grant {
    principal_id: String,
    policy_document: PolicyDocument,
    #[serde(default)]
    context: Map<String, Value>,
}

impl Grant {
    /// Only what API Gateway takes: a principal, a policy, and a context of scalars.
    fn read(answer: Value) -> Option<Self> {
        let grant: Self = serde_json::from_value(answer).ok()?;
        let scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        let valid = !grant.principal_id.is_empty()
            && grant.policy_document.is_authorizers()
            && grant.context.values().all(scalar);
        valid.then_some(grant)
    }

    fn outcome(&self, call: &Call) -> Outcome {
        match self.policy_document.evaluate("execute-api:Invoke", &call.arn()) {
            IamDecision::Allowed => {
                let mut context = self.context.clone();
                context.insert("principalId".into(), self.principal_id.clone().into());
                Outcome::Allowed(Value::Object(context))
            }
            verdict => Outcome::Denied(verdict),
        }
    }
}

/// Asks the authorizer, or its earlier answer.
pub(super) async fn authorize(
    authorizer: &Authorizer,
    function: &Function,
    cache: &Cache,
    call: &Call,
) -> (Outcome, Source) {
    let mut values = Vec::new();
    for name in &authorizer.headers {
        let before = values.len();
        let given = call.headers.get_all(name).iter().filter(|value| !value.is_empty());
        values.extend(given.map(|value| value.as_bytes().to_vec()));
        if values.len() == before {
            return (Outcome::Unauthorized, Source::Nobody);
        }
    }
    let identity = (authorizer.function.clone(), values);
    if let Some(grant) = cache.get(&identity) {
        return (grant.outcome(call), Source::Cache);
    }
    let invocation = function.invoke(&call.authorizer_event()).await;
    let source = Source::Function(invocation.id);
    let outcome = match invocation.result {
        Ok(answer) => match Grant::read(answer) {
            Some(grant) => {
                let outcome = grant.outcome(call);
                cache.keep(identity, grant, authorizer);
                outcome
            }
            None => Outcome::Misconfigured,
        },
        Err(error) if error.message == "Unauthorized" => Outcome::Unauthorized,
        Err(error) => Outcome::Failed(error),
    };
    (outcome, source)
}

impl Cache {
    fn get(&self, identity: &Identity) -> Option<Grant> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (until, _)| Instant::now() < *until);
        kept.get(identity).map(|(_, grant)| grant.clone())
    }

    fn keep(&self, identity: Identity, grant: Grant, authorizer: &Authorizer) {
        if authorizer.ttl.is_zero() {
            return;
        }
        let until = Instant::now() + authorizer.ttl;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(identity, (until, grant));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_that_api_gateway_takes() {
        let good = json!({
            "principalId": "a",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
            },
            "context": {"a": "x", "b": 1, "c": true},
        });
        let rows = [
            ("whole", "/context", json!({"a": "x", "b": 1, "c": true}), true),
            ("an empty context", "/context", json!({}), true),
            ("an object in the context", "/context/a", json!({}), false),
            ("an array in the context", "/context/a", json!([]), false),
            ("a null in the context", "/context/a", json!(null), false),
            ("a null context", "/context", json!(null), false),
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
            let mut answer = good.clone();
            *answer.pointer_mut(pointer).unwrap() = value;
            assert_eq!(Grant::read(answer).is_some(), expected, "{name}");
        }
    }
}
