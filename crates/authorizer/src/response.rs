use jwt::Claims;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Request, context::context};

/// An answer that API Gateway takes from an authorizer (REST).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    principal_id: String,
    policy_document: Policy,
    context: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: &'static str,
    resource: String,
}

/// Lets the holder of these claims through, on the whole stage: API Gateway may keep the answer and
/// use it for any other route.
#[must_use]
pub fn response(request: &Request, claims: &Claims) -> Response {
    let subject = claims.text("sub").filter(|subject| !subject.is_empty());
    Response {
        principal_id: subject.unwrap_or(NOBODY).to_owned(),
        policy_document: Policy {
            version: "2012-10-17",
            statement: [Statement {
                action: "execute-api:Invoke",
                effect: "Allow",
                resource: request.stage.everything(),
            }],
        },
        context: context(claims),
    }
}

/// The principal of a token without a `sub` that says something, written as API Gateway writes a missing value in its
/// logs. It takes no answer without a principal.
const NOBODY: &str = "-";
