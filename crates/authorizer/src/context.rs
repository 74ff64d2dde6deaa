use jwt::{CONTEXT_CLAIMS, Claims, is_plain_identifier, json};
use serde_json::{Map, Value};

/// What the backend and API Gateway's own templates get to know of a token: its scalar claims, and
/// `aud` as one string; where it is `nested`, arrays and objects too. API Gateway takes no nulls.
///
/// A `sub` or an audience with white space, control or bidi characters is left out: a backend might read
/// another one in it, and several audiences are separated by spaces.
///
/// The other claims that say who and what for are always among them. Of the others, one that does not fit
/// into so many bytes any more is left out. With it comes how many bytes it takes between its brackets.
pub(crate) fn context(claims: &Claims, nested: bool, room: usize) -> (Map<String, Value>, usize) {
    let first = CONTEXT_CLAIMS.iter().filter_map(|&name| Some((name, claims.get(name)?)));
    let rest =
        claims.iter().filter(|(name, _)| !CONTEXT_CLAIMS.contains(name) && !TAKEN.contains(name));
    let mut left = room.min(MAX_BYTES);
    let mut all = 0_usize;
    let mut context = Map::new();
    for (name, value) in first.chain(rest) {
        let Some(value) = passed_on(name, value, nested) else { continue };
        // The name's and the value's own text, and what stands around them.
        let taken = json::text_bytes(name) + json::bytes(&value) + 2;
        let rest = left.checked_sub(taken);
        if rest.is_some() || CONTEXT_CLAIMS.contains(&name) {
            left = rest.unwrap_or(0);
            all = all.saturating_add(taken);
            context.insert(name.to_owned(), value);
        }
    }
    // Nothing stands after the last.
    (context, all.saturating_sub(1))
}

fn passed_on(name: &str, value: &Value, nested: bool) -> Option<Value> {
    match value {
        Value::String(text) if matches!(name, "sub" | "aud") && !is_plain_identifier(text) => None,
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        Value::Array(several) if name == "aud" => {
            let names: Option<Vec<&str>> = several.iter().map(Value::as_str).collect();
            let names = names?.into_iter().filter(|name| is_plain_identifier(name));
            let names: Vec<&str> = names.collect();
            (!names.is_empty()).then(|| names.join(" ").into())
        }
        Value::Array(_) | Value::Object(_) if nested && !has_null(value) => Some(value.clone()),
        _ => None,
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// The names that API Gateway documents for `$context.authorizer` ("Variables for data models,
/// authorizers, mapping templates, and access logging" in its developer guide).
const TAKEN: [&str; 8] = [
    "claims",
    "error",
    "integrationLatency",
    "integrationStatus",
    "latency",
    "principalId",
    "requestId",
    "status",
];
/// All names and values together.
const MAX_BYTES: usize = 4096;
