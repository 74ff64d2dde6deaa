use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, errors::Result, jwk::JwkSet};
use serde_json::Value;

/// Verifies a token with the key set of the issuer's `jwks_uri`, and returns its claims.
pub fn verify(keys: &JwkSet, issuer: &str, audience: &str, token: &str) -> Result<Value> {
    let header = decode_header(token)?;
    let key = header.kid.and_then(|kid| keys.find(&kid));
    let key = DecodingKey::from_jwk(key.ok_or(jsonwebtoken::errors::ErrorKind::InvalidToken)?)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    Ok(decode::<Value>(token, &key, &validation)?.claims)
}
