use jwt::{Claims, PASSED_ON};
use serde_json::{Map, Value};

/// What the backend and API Gateway's own templates get to know of a token: its scalar claims, and
/// `aud` as one string. API Gateway takes no objects, no arrays and no nulls here (REST).
///
/// The claims that say who and what for are always among them; a token for which that would be too
/// much is refused before. Of the others, one that does not fit any more is left out.
pub(crate) fn context(claims: &Claims) -> Map<String, Value> {
    let first = PASSED_ON.iter().filter_map(|&name| Some((name, claims.get(name)?)));
    let rest = claims.iter().filter(|(name, _)| !PASSED_ON.contains(name) && !TAKEN.contains(name));
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

/// API Gateway's own names in `$context.authorizer`.
const TAKEN: [&str; 2] = ["principalId", "integrationLatency"];
/// All names and values together. With the principal, which is at most
/// [`MAX_PASSED_ON_BYTES`](jwt::MAX_PASSED_ON_BYTES), and the policy, an answer stays under API
/// Gateway's 8 KB.
const MAX_BYTES: usize = 4096;
