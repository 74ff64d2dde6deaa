//! The URLs of providers, and which of them may be requested.

use std::{fmt, net::IpAddr};

use http::Uri;

/// The transport over which keys may be fetched. Each variant allows those before it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Transport {
    /// Only `https`: the certificate of the server proves whose keys they are.
    #[default]
    Https,
    /// Also `http` of a server on this machine, for tests and local stacks.
    LoopbackHttp,
    /// Any `http`, for a command whose user has typed the URL.
    Http,
}

/// A URL that can be requested.
///
/// ```
/// use countersign_oidc::{ProviderUrl, Transport, UrlError};
///
/// let url = ProviderUrl::parse("https://issuer.example/keys?v=2", Transport::Https)?;
/// assert_eq!(url.to_string(), "https://issuer.example/keys?v=2");
///
/// let url = ProviderUrl::parse("http://issuer.example/keys", Transport::LoopbackHttp);
/// assert_eq!(url, Err(UrlError::NotHttps));
/// # Ok::<(), UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderUrl {
    uri: Uri,
    transport: Transport,
}

/// Why a URL is not requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The text is not an `http` or `https` URL.
    #[error("must be an https URL")]
    NotHttp,
    /// The URL has the scheme `http`, which is not allowed for its host.
    #[error("must be an https URL: with http, anyone on the network path could replace the keys")]
    NotHttps,
    /// The URL has no host, or an invalid port. The HTTP client takes the default port in place of an invalid one.
    #[error("must be a URL with a host and a valid port")]
    Authority,
    /// The URL has a user name. The HTTP client would not send it, and errors would print it.
    #[error("must not have a user name or a password")]
    UserName,
    /// The name of an issuer has a query, so no path can be appended.
    #[error("must not have a query")]
    Query,
    /// The URL has a fragment, which is never sent.
    #[error("must not have a fragment")]
    Fragment,
}

impl ProviderUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`] if it cannot or must not be requested.
    pub fn parse(text: &str, allowed: Transport) -> Result<Self, UrlError> {
        if !has_scheme(text, "https://") && !has_scheme(text, "http://") {
            return Err(UrlError::NotHttp);
        }
        // `Uri` drops a fragment silently.
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Authority)?;
        if !has_valid_authority(&uri) {
            return Err(UrlError::Authority);
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(UrlError::UserName);
        }
        let transport = match uri.host() {
            _ if has_scheme(text, "https://") => Transport::Https,
            Some(host) if is_loopback(host) => Transport::LoopbackHttp,
            _ => Transport::Http,
        };
        if transport <= allowed { Ok(Self { uri, transport }) } else { Err(UrlError::NotHttps) }
    }

    /// The transport of this URL. A document at this URL names other URLs with at least this protection.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The URL for a request.
    pub(crate) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

/// Whether a URL has a host, and no invalid port. The HTTP client takes the default port in place of an invalid one.
///
/// ```
/// assert!(countersign_oidc::has_valid_authority(&"http://proxy.example:3128".parse()?));
/// assert!(!countersign_oidc::has_valid_authority(&"http://proxy.example:0".parse()?));
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
#[must_use]
pub fn has_valid_authority(uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else { return false };
    let host = authority.host();
    let after_user = authority.as_str().rsplit('@').next().unwrap_or_default();
    !host.is_empty() && (after_user == host || authority.port_u16().is_some_and(|port| port > 0))
}

/// RFC 3986 section 3.1: schemes are case-insensitive.
fn has_scheme(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_the_transport_are_accepted() {
        use Transport::{Http, Https, LoopbackHttp};
        let rows = [
            ("https://a.example", Https, Ok(Https)),
            ("HTTPS://a.example/x?y=z", Https, Ok(Https)),
            ("https://127.0.0.1:8443/", Https, Ok(Https)),
            ("http://a.example", Https, Err(UrlError::NotHttps)),
            ("http://127.0.0.1", Https, Err(UrlError::NotHttps)),
            ("http://127.0.0.1:80", LoopbackHttp, Ok(LoopbackHttp)),
            ("http://127.8.0.1", LoopbackHttp, Ok(LoopbackHttp)),
            ("http://[::1]:9000/a", LoopbackHttp, Ok(LoopbackHttp)),
            ("http://localhost", LoopbackHttp, Ok(LoopbackHttp)),
            ("http://a.example", LoopbackHttp, Err(UrlError::NotHttps)),
            ("http://127.0.0.1.a.example", LoopbackHttp, Err(UrlError::NotHttps)),
            ("http://localhost.a.example", LoopbackHttp, Err(UrlError::NotHttps)),
            ("http://10.0.0.1", LoopbackHttp, Err(UrlError::NotHttps)),
            ("http://a.example", Http, Ok(Http)),
            ("http://127.0.0.1@a.example", LoopbackHttp, Err(UrlError::UserName)),
            ("https://user:secret@a.example", Https, Err(UrlError::UserName)),
            ("https://a.example#b", Https, Err(UrlError::Fragment)),
            ("https://a.example:0", Https, Err(UrlError::Authority)),
            ("https://a.example:99999", Https, Err(UrlError::Authority)),
            ("https://:443", Https, Err(UrlError::Authority)),
            ("https://", Https, Err(UrlError::Authority)),
            ("https://a b", Https, Err(UrlError::Authority)),
            ("ftp://a.example", Http, Err(UrlError::NotHttp)),
            ("file:///etc/passwd", Http, Err(UrlError::NotHttp)),
            ("a.example", Http, Err(UrlError::NotHttp)),
            ("", Http, Err(UrlError::NotHttp)),
        ];
        let failed: Vec<_> = rows
            .into_iter()
            .map(|(text, allowed, expected)| {
                let found = ProviderUrl::parse(text, allowed).map(|url| url.transport());
                (text, allowed, found, expected)
            })
            .filter(|(.., found, expected)| found != expected)
            .collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
