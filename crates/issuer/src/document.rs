use std::collections::BTreeSet;

use jwt::{Jwk, JwkSet};
use kms::Ring;
use serde_json::{Value, json};

use crate::{IssuanceError, IssuerConfig, PublishedDocument};

/// A document for whoever verifies our tokens with nothing but our name.
///
/// # Errors
/// When the issuer's name is not a URL: then there is nothing that could be found under it but the
/// keys.
pub fn document(
    which: PublishedDocument,
    terms: &IssuerConfig,
    ring: &Ring,
) -> Result<Value, IssuanceError> {
    if which == PublishedDocument::Keys {
        return Ok(jwks(ring));
    }
    let issuer = terms.issuer_url().ok_or(IssuanceError::NotFound)?;
    let algorithms: BTreeSet<_> = ring.keys().map(|key| key.algorithm.name()).collect();
    // Without `authorization_endpoint` and `token_endpoint`: neither exists. `response_types_supported` has
    // no value that is served either, but OpenID Connect Discovery 1.0 requires it (section 3) and forbids
    // empty arrays (section 4.2), and clients' schemas hold to that. `id_token` is what Kubernetes announces,
    // whose service account issuer has keys and no endpoints, too.
    Ok(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "jti", "scope"],
        "id_token_signing_alg_values_supported": algorithms,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
    }))
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
