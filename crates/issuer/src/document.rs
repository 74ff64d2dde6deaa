use std::collections::BTreeSet;

use jwt::JwkSet;
use kms::Ring;
use oidc::{OwnIdentity, TrustedIssuers};
use serde_json::{Map, Value, json};

use crate::{
    IssuanceError, IssuerConfig, added_claims::SUPPORTED_CLAIMS, issuer_url::issuer_url,
    oauth::GrantType,
};

/// A document under `/.well-known/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedDocument {
    /// `jwks.json`: the keys (RFC 7517).
    Keys,
    /// `openid-configuration` (`OpenID` Connect Discovery 1.0).
    OpenId,
    /// `oauth-authorization-server` (RFC 8414). It exists only where the token endpoint does.
    OAuth,
}

impl PublishedDocument {
    /// The document at this path of the API.
    pub(crate) fn at_path(path: &str) -> Option<Self> {
        match path {
            "/.well-known/jwks.json" => Some(Self::Keys),
            "/.well-known/openid-configuration" => Some(Self::OpenId),
            "/.well-known/oauth-authorization-server" => Some(Self::OAuth),
            _ => None,
        }
    }
}

/// A public document about the issuer, as JSON, for clients that know only its name.
///
/// # Errors
/// [`IssuanceError::NotFound`] for a document that describes the issuer if the issuer's name is not a URL, as clients
/// could not find it; and for [`PublishedDocument::OAuth`] without a token endpoint.
pub fn document(
    which: PublishedDocument,
    config: &IssuerConfig,
    ring: &Ring,
) -> Result<Value, IssuanceError> {
    match which {
        PublishedDocument::Keys => Ok(jwks(ring)),
        PublishedDocument::OpenId => openid_configuration(config, ring),
        PublishedDocument::OAuth => authorization_server(config),
    }
}

/// The metadata of the token endpoint (RFC 8414).
///
/// # Errors
/// [`IssuanceError::NotFound`] without a token endpoint.
pub(crate) fn authorization_server(config: &IssuerConfig) -> Result<Value, IssuanceError> {
    let issuer = issuer_url(&config.issuer).ok_or(IssuanceError::NotFound)?;
    let trusted = config.trusted_issuers.as_ref().ok_or(IssuanceError::NotFound)?;
    let mut metadata = token_endpoint(issuer, trusted);
    metadata.extend([
        ("issuer".to_owned(), issuer.into()),
        ("jwks_uri".to_owned(), format!("{issuer}/.well-known/jwks.json").into()),
        // Required by RFC 8414 section 2. No grant uses the authorization endpoint.
        ("response_types_supported".to_owned(), json!([])),
    ]);
    Ok(metadata.into())
}

fn openid_configuration(config: &IssuerConfig, ring: &Ring) -> Result<Value, IssuanceError> {
    let issuer = issuer_url(&config.issuer).ok_or(IssuanceError::NotFound)?;
    let algorithms: BTreeSet<_> = ring.keys().map(|key| key.algorithm.name()).collect();
    // No value of `response_types_supported` is served, but OpenID Connect Discovery 1.0 requires the member
    // (section 3) and forbids empty arrays (section 4.2), and clients check both. Kubernetes announces
    // `id_token` for its service account issuer, which has keys and no endpoints either.
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "claims_supported": SUPPORTED_CLAIMS,
        "id_token_signing_alg_values_supported": algorithms,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
    });
    let endpoint = config.trusted_issuers.as_ref().map(|trusted| token_endpoint(issuer, trusted));
    let mut members = endpoint.unwrap_or_default();
    if let Value::Object(document) = document {
        members.extend(document);
    }
    Ok(members.into())
}

/// The members about the token endpoint. `authorization_endpoint` is among them because the schemas of clients require
/// it. It refuses every request.
fn token_endpoint(issuer: &str, trusted: &TrustedIssuers) -> Map<String, Value> {
    let has = |is_client: bool| trusted.entries().iter().any(|entry| entry.is_client == is_client);
    let (mut grants, mut methods) = (Vec::new(), Vec::new());
    if has(false) {
        grants.push(GrantType::JwtBearer.parameter());
        methods.push("none");
    }
    let mut members = Map::new();
    if has(true) {
        grants.push(GrantType::ClientCredentials.parameter());
        methods.push("private_key_jwt");
        let clients = trusted.entries().iter().filter(|entry| entry.is_client);
        let algorithms: BTreeSet<_> = clients
            .flat_map(|client| &client.algorithms)
            .map(|algorithm| algorithm.name())
            .collect();
        let name = "token_endpoint_auth_signing_alg_values_supported";
        members.insert(name.into(), json!(algorithms));
    }
    members.extend([
        ("authorization_endpoint".to_owned(), format!("{issuer}/oauth2/authorize").into()),
        ("token_endpoint".to_owned(), own_identity(issuer).token_endpoint.into()),
        ("grant_types_supported".to_owned(), json!(grants)),
        ("token_endpoint_auth_methods_supported".to_owned(), json!(methods)),
    ]);
    members
}

/// The names by which an assertion can address this issuer: its own, and that of its token endpoint.
///
/// ```
/// let own = issuer::own_identity("https://issuer.example");
/// assert_eq!(own.token_endpoint, "https://issuer.example/oauth2/token");
/// ```
#[must_use]
pub fn own_identity(issuer: &str) -> OwnIdentity {
    OwnIdentity { issuer: issuer.to_owned(), token_endpoint: format!("{issuer}/oauth2/token") }
}

/// The JWK Set of every trusted key. It contains the next key, so that clients know it before it signs.
fn jwks(ring: &Ring) -> Value {
    JwkSet::new(ring.keys().map(|key| key.jwk()).collect()).to_json()
}
