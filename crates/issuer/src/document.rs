use std::collections::BTreeSet;

use jwt::{Jwk, JwkSet};
use kms::Ring;
use serde_json::{Value, json};

use crate::{Document, Refusal, Terms};

/// A document for whoever verifies our tokens with nothing but our name.
///
/// # Errors
/// When the issuer's name is not a URL: then there is nothing that could be found under it but the
/// keys.
pub fn document(which: Document, terms: &Terms, ring: &Ring) -> Result<Value, Refusal> {
    if which == Document::Keys {
        return Ok(jwks(ring));
    }
    let issuer = terms.issuer_url().ok_or(Refusal::NotFound)?;
    let algorithms: BTreeSet<_> = ring.keys().map(|key| key.algorithm.name()).collect();
    let common = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "token_endpoint": format!("{issuer}/token"),
    });
    let own = match which {
        // Of OAuth's grants the nearest: a client asks in its own name, with AWS's own signature.
        Document::OAuth => json!({
            "response_types_supported": ["token"],
            "grant_types_supported": ["client_credentials"],
        }),
        Document::OpenId | Document::Keys => json!({
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", "jti", "scope"],
            "id_token_signing_alg_values_supported": algorithms,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
        }),
    };
    let members = [common, own].into_iter().filter_map(|part| part.as_object().cloned());
    Ok(Value::Object(members.flatten().collect()))
}

/// Every key that is trusted: the next one too, so that it is known before it signs.
fn jwks(ring: &Ring) -> Value {
    let keys = ring.keys().map(|key| Jwk {
        key: key.public.clone(),
        key_id: Some(key.id.clone()),
        algorithm: Some(key.algorithm),
    });
    JwkSet(keys.collect()).to_json()
}
