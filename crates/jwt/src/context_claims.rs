use serde_json::{Map, Value};

use crate::json;

/// The claims that a recipient can pass on with a request, for example in the context of an API
/// Gateway authorizer. Verified tokens keep them within [`MAX_CONTEXT_CLAIMS_BYTES`].
pub const CONTEXT_CLAIMS: [&str; 6] = ["sub", "scope", "iss", "aud", "jti", "exp"];

/// The limit for [`CONTEXT_CLAIMS`] in bytes of JSON. A token that exceeds it is refused with
/// [`Rejection::ClaimsTooLong`](crate::Rejection::ClaimsTooLong).
pub const MAX_CONTEXT_CLAIMS_BYTES: usize = 3072;

/// Returns the length of all [`CONTEXT_CLAIMS`] in bytes: of their names and of their values as
/// JSON.
///
/// ```
/// use serde_json::{Map, json};
///
/// let mut claims = Map::new();
/// claims.insert("sub".into(), json!("alice"));
/// claims.insert("other".into(), json!(1));
/// assert_eq!(countersign_jwt::context_claims_len(&claims), r#"sub"alice""#.len());
/// ```
#[must_use]
pub fn context_claims_len(claims: &Map<String, Value>) -> usize {
    let bytes = |name: &&str| Some(name.len() + json::bytes(claims.get(*name)?));
    CONTEXT_CLAIMS.iter().filter_map(bytes).sum()
}
