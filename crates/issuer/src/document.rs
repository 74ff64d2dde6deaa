use std::collections::BTreeSet;

use jwt::{Jwk, JwkSet};
use kms::Ring;
use serde_json::{Value, json};

use crate::{IssuanceError, IssuerConfig, claims::SUPPORTED_CLAIMS};

/// A document under `/.well-known/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedDocument {
    /// `jwks.json`: the keys (RFC 7517).
    Keys,
    /// `openid-configuration` (`OpenID` Connect Discovery 1.0).
    OpenId,
}

impl PublishedDocument {
    /// The document at this path of the API.
    ///
    /// `oauth-authorization-server` (RFC 8414) describes a token endpoint for OAuth clients. The issuer has none:
    /// no client authentication method is registered for the SigV4 of `/token`.
    pub(crate) fn at_path(path: &str) -> Option<Self> {
        match path {
            "/.well-known/jwks.json" => Some(Self::Keys),
            "/.well-known/openid-configuration" => Some(Self::OpenId),
            _ => None,
        }
    }
}

/// A public document about the issuer, as JSON, for clients that know only its name.
///
/// # Errors
/// [`IssuanceError::NotFound`] for the discovery document if the issuer's name is not a URL: clients could not
/// find the document.
pub fn document(
    which: PublishedDocument,
    config: &IssuerConfig,
    ring: &Ring,
) -> Result<Value, IssuanceError> {
    match which {
        PublishedDocument::Keys => Ok(jwks(ring)),
        PublishedDocument::OpenId => openid_configuration(config, ring),
    }
}

fn openid_configuration(config: &IssuerConfig, ring: &Ring) -> Result<Value, IssuanceError> {
    let issuer = issuer_url(&config.issuer).ok_or(IssuanceError::NotFound)?;
    let algorithms: BTreeSet<_> = ring.keys().map(|key| key.algorithm.name()).collect();
    // `authorization_endpoint` and `token_endpoint` are left out: neither exists. No value of
    // `response_types_supported` is served either, but OpenID Connect Discovery 1.0 requires the member
    // (section 3) and forbids empty arrays (section 4.2), and clients check both. Kubernetes announces
    // `id_token` for its service account issuer, which has keys and no endpoints either.
    Ok(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "claims_supported": SUPPORTED_CLAIMS,
        "id_token_signing_alg_values_supported": algorithms,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
    }))
}

/// The JWK Set of every trusted key. It contains the next key, so that clients know it before it signs.
fn jwks(ring: &Ring) -> Value {
    let keys = ring.keys().map(|key| Jwk {
        key: key.public.clone(),
        key_id: Some(key.id.clone()),
        algorithm: Some(key.algorithm),
    });
    JwkSet::new(keys.collect()).to_json()
}

/// The issuer's name, if it is a URL under which clients can find the public keys: https, or http on
/// this machine, without query, fragment and trailing slash (RFC 8414 section 2, `OpenID` Connect
/// Discovery 1.0 section 4).
fn issuer_url(issuer: &str) -> Option<&str> {
    let local = issuer.strip_prefix("http://").filter(|rest| {
        let host = rest.split(['/', ':']).next();
        matches!(host, Some("localhost" | "127.0.0.1"))
    });
    let rest = issuer.strip_prefix("https://").or(local)?;
    let is_allowed = |c: char| c.is_ascii_graphic() && c != '?' && c != '#';
    let is_valid = rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        && rest.chars().all(is_allowed)
        && !rest.ends_with('/');
    is_valid.then_some(issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_url_is_https_or_local_without_trailing_slash() {
        let rows = [
            ("https://issuer.example", true),
            ("https://issuer.example/v1", true),
            ("https://localhost:8443", true),
            ("https://issuer.example/", false),
            ("https://issuer.example/v1/", false),
            ("https://issuer.example?a", false),
            ("https://issuer.example#a", false),
            ("https://", false),
            ("https:///a", false),
            ("https://issuer example", false),
            ("http://127.0.0.1:3000", true),
            ("http://localhost/a", true),
            ("http://127.0.0.1.example", false),
            ("http://127.0.0.1@issuer.example", false),
            ("http://issuer.example", false),
            ("HTTPS://issuer.example", false),
            ("countersign", false),
        ];
        for (issuer, expected) in rows {
            assert_eq!(issuer_url(issuer).is_some(), expected, "{issuer}");
        }
    }
}
