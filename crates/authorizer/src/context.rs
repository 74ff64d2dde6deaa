use jwt::Claims;
use serde_json::{Map, Value};

/// What the backend and API Gateway's own templates get to know of a token: its scalar claims, and
/// `aud` as one string. API Gateway takes no objects, no arrays and no nulls here (REST).
///
/// A claim too many is left out, and so is one too long, so that a token's claims cannot push the
/// answer over API Gateway's limit.
pub(crate) fn context(claims: &Claims) -> Map<String, Value> {
    let first = FIRST.iter().filter_map(|&name| Some((name, claims.get(name)?)));
    let rest = claims.iter().filter(|(name, _)| !FIRST.contains(name) && !TAKEN.contains(name));
    let mut left = MAX_BYTES;
    let mut context = Map::new();
    for (name, value) in first.chain(rest) {
        let Some(value) = scalar(name, value) else { continue };
        let bytes = name.len() + value.to_string().len();
        if let Some(rest) = left.checked_sub(bytes) {
            left = rest;
            context.insert(name.to_owned(), value);
        }
    }
    context
}

fn scalar(name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        Value::Array(several) if name == "aud" => {
            let names: Option<Vec<&str>> = several.iter().map(Value::as_str).collect();
            Some(names?.join(" ").into())
        }
        _ => None,
    }
}

/// These have their place before any other claim.
const FIRST: [&str; 6] = ["sub", "scope", "iss", "aud", "jti", "exp"];
/// API Gateway's own names in `$context.authorizer`.
const TAKEN: [&str; 2] = ["principalId", "integrationLatency"];
/// All names and values together: half of the 8 KB that API Gateway takes for policy and context.
const MAX_BYTES: usize = 4096;
