//! The metadata of an issuer (`OpenID` Connect Discovery 1.0 sections 3 and 4).

use jwt::json::{self, JsonError};
use serde_json::Value;

use crate::{ProviderUrl, Transport, UrlError};

/// Why the metadata of an issuer are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The text is not a JSON object.
    #[error("{0}")]
    Json(JsonError),
    /// `issuer` is missing or not a string.
    #[error("issuer is missing")]
    NoIssuer,
    /// `issuer` differs from the issuer whose metadata were requested (section 4.3).
    #[error("the metadata belongs to another issuer: `issuer` is {found:?}, not {requested:?}")]
    OtherIssuer {
        /// The start of the name in the metadata.
        found: String,
        /// The name of the issuer.
        requested: String,
    },
    /// `jwks_uri` is missing or not a string.
    #[error("jwks_uri is missing")]
    NoJwksUri,
    /// `jwks_uri` cannot be used.
    #[error("jwks_uri {found:?} {problem}")]
    JwksUri {
        /// The start of the URL.
        found: String,
        /// The problem with the URL.
        problem: UrlError,
    },
}

/// The URL of the metadata of an issuer. A slash at the end is removed from the URL, but not from the name of the issuer
/// (section 4.1).
///
/// ```
/// use countersign_oidc::{Transport, UrlError, metadata_url};
///
/// let url = metadata_url("https://issuer.example/tenant/", Transport::Https)?;
/// assert_eq!(url.to_string(), "https://issuer.example/tenant/.well-known/openid-configuration");
/// # Ok::<(), UrlError>(())
/// ```
///
/// # Errors
/// If the name of the issuer is not a URL with this transport and without a query.
pub fn metadata_url(issuer: &str, allowed: Transport) -> Result<ProviderUrl, UrlError> {
    if issuer.contains('?') {
        return Err(UrlError::Query);
    }
    // Before the path is added: it must not become the host of a name without one.
    ProviderUrl::parse(issuer, allowed)?;
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    ProviderUrl::parse(&format!("{base}/.well-known/openid-configuration"), allowed)
}

/// Reads the URL of the keys from the metadata of an issuer.
///
/// ```
/// use countersign_oidc::{MetadataError, Transport, read_jwks_uri};
///
/// let metadata = br#"{"issuer": "https://a.example", "jwks_uri": "https://keys.example/a"}"#;
/// let url = read_jwks_uri(metadata, "https://a.example", Transport::Https)?;
/// assert_eq!(url.to_string(), "https://keys.example/a");
/// // The name must be identical.
/// assert!(read_jwks_uri(metadata, "https://a.example/", Transport::Https).is_err());
/// # Ok::<(), MetadataError>(())
/// ```
///
/// # Errors
/// If the metadata are of another issuer, or if the URL has a weaker transport than `allowed`, which is that of the
/// metadata.
pub fn read_jwks_uri(
    metadata: &[u8],
    issuer: &str,
    allowed: Transport,
) -> Result<ProviderUrl, MetadataError> {
    let members = json::object(metadata).map_err(MetadataError::Json)?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let start = |text: &str| text.chars().take(MAX_QUOTED_CHARS).collect();
    match text("issuer") {
        Some(found) if found == issuer => {}
        Some(found) => {
            let (found, requested) = (start(found), issuer.to_owned());
            return Err(MetadataError::OtherIssuer { found, requested });
        }
        None => return Err(MetadataError::NoIssuer),
    }
    let url = text("jwks_uri").ok_or(MetadataError::NoJwksUri)?;
    ProviderUrl::parse(url, allowed)
        .map_err(|problem| MetadataError::JwksUri { found: start(url), problem })
}

/// The number of characters of a name in the metadata that an error quotes.
const MAX_QUOTED_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn slash_at_the_end_is_removed_from_the_url_only() {
        let rows = [
            ("https://a.example", Ok("https://a.example/.well-known/openid-configuration")),
            ("https://a.example/", Ok("https://a.example/.well-known/openid-configuration")),
            ("https://a.example/t/", Ok("https://a.example/t/.well-known/openid-configuration")),
            ("https://a.example//", Ok("https://a.example//.well-known/openid-configuration")),
            ("https://a.example?t=1", Err(UrlError::Query)),
            ("https://a.example/#t", Err(UrlError::Fragment)),
            ("http://a.example", Err(UrlError::NotHttps)),
            ("a.example", Err(UrlError::NotHttp)),
            ("https://", Err(UrlError::Authority)),
            ("https:///", Err(UrlError::Authority)),
            ("https:/", Err(UrlError::NotHttp)),
        ];
        for (issuer, expected) in rows {
            let url = metadata_url(issuer, Transport::Https).map(|url| url.to_string());
            assert_eq!(url.as_deref(), expected.as_ref().copied(), "{issuer}");
        }
    }

    #[test]
    fn metadata_that_lead_to_other_keys_are_refused() {
        let own = "https://a.example/";
        let keys = "https://keys.example/";
        let other = |found: &str| {
            Err(MetadataError::OtherIssuer { found: found.into(), requested: own.into() })
        };
        let uri =
            |found: &str, problem| Err(MetadataError::JwksUri { found: found.into(), problem });
        let long = format!("https://b.example/{}", "x".repeat(500));
        let rows = [
            ("valid", json!({"issuer": own, "jwks_uri": keys}), Ok(keys.to_owned())),
            (
                "other issuer",
                json!({"issuer": "https://b.example", "jwks_uri": keys}),
                other("https://b.example"),
            ),
            (
                "without the slash",
                json!({"issuer": "https://a.example", "jwks_uri": keys}),
                other("https://a.example"),
            ),
            (
                "other case",
                json!({"issuer": "https://A.example/", "jwks_uri": keys}),
                other("https://A.example/"),
            ),
            ("a long issuer", json!({"issuer": long, "jwks_uri": keys}), other(&long[..200])),
            ("no issuer", json!({"jwks_uri": keys}), Err(MetadataError::NoIssuer)),
            (
                "issuer is a list",
                json!({"issuer": [own], "jwks_uri": keys}),
                Err(MetadataError::NoIssuer),
            ),
            ("no jwks_uri", json!({"issuer": own}), Err(MetadataError::NoJwksUri)),
            (
                "http",
                json!({"issuer": own, "jwks_uri": "http://a.example"}),
                uri("http://a.example", UrlError::NotHttps),
            ),
            (
                "http of this machine",
                json!({"issuer": own, "jwks_uri": "http://[::1]/"}),
                uri("http://[::1]/", UrlError::NotHttps),
            ),
            (
                "a file",
                json!({"issuer": own, "jwks_uri": "/etc/passwd"}),
                uri("/etc/passwd", UrlError::NotHttp),
            ),
        ];
        for (name, metadata, expected) in rows {
            let url = read_jwks_uri(metadata.to_string().as_bytes(), own, Transport::Https);
            assert_eq!(url.map(|url| url.to_string()), expected, "{name}");
        }
        for text in [&b"<html></html>"[..], b"", b"[]", br#"{"issuer":"a","issuer":"b"}"#] {
            let url = read_jwks_uri(text, own, Transport::Https);
            assert!(matches!(url, Err(MetadataError::Json(_))), "{text:?}");
        }
    }
}
