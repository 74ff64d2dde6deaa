use jwt::{CONTEXT_CLAIMS, Claims, is_plain_identifier, json};
use serde_json::{Map, Value};

/// The claims that a response passes on to the backend and to API Gateway's mapping templates.
pub(crate) struct AuthorizerContext {
    pub(crate) claims: Map<String, Value>,
    /// The length of the claims in JSON, in bytes, without the braces.
    pub(crate) bytes: usize,
}

impl AuthorizerContext {
    /// Selects the scalar claims, and `aud` as one string. With `has_nested`, arrays and objects without null too:
    /// API Gateway accepts no null.
    ///
    /// A `sub` or an audience with white space, control or bidi characters is left out: a backend might read
    /// another value in it, and several audiences are separated by spaces.
    ///
    /// [`CONTEXT_CLAIMS`] are always passed on. Any other claim is left out if it does not fit into `max_bytes`.
    pub(crate) fn new(claims: &Claims, has_nested: bool, max_bytes: usize) -> Self {
        let required = CONTEXT_CLAIMS.iter().filter_map(|&name| Some((name, claims.get(name)?)));
        let optional = claims
            .iter()
            .filter(|(name, _)| !CONTEXT_CLAIMS.contains(name) && !RESERVED_NAMES.contains(name));
        let mut free_bytes = max_bytes.min(MAX_BYTES);
        let mut used_bytes = 0_usize;
        let mut selected = Map::new();
        for (name, value) in required.chain(optional) {
            let Some(value) = context_value(name, value, has_nested) else { continue };
            // The colon and the comma are the two further bytes.
            let bytes = json::text_bytes(name) + json::bytes(&value) + 2;
            let rest = free_bytes.checked_sub(bytes);
            if rest.is_some() || CONTEXT_CLAIMS.contains(&name) {
                free_bytes = rest.unwrap_or(0);
                used_bytes = used_bytes.saturating_add(bytes);
                selected.insert(name.to_owned(), value);
            }
        }
        // No comma follows the last member.
        Self { claims: selected, bytes: used_bytes.saturating_sub(1) }
    }
}

fn context_value(name: &str, value: &Value, has_nested: bool) -> Option<Value> {
    match value {
        Value::String(text) if matches!(name, "sub" | "aud") && !is_plain_identifier(text) => None,
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        Value::Array(items) if name == "aud" => {
            let audiences: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            let audiences = audiences?.into_iter().filter(|audience| is_plain_identifier(audience));
            let audiences: Vec<&str> = audiences.collect();
            (!audiences.is_empty()).then(|| audiences.join(" ").into())
        }
        Value::Array(_) | Value::Object(_) if has_nested && !has_null(value) => Some(value.clone()),
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
const RESERVED_NAMES: [&str; 8] = [
    "claims",
    "error",
    "integrationLatency",
    "integrationStatus",
    "latency",
    "principalId",
    "requestId",
    "status",
];

/// The maximum of all names and values together.
const MAX_BYTES: usize = 4096;
