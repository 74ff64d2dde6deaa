//! Backends: HTTP servers that an API passes requests on to.

use std::{error::Error, fmt, io, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response,
    body::Bytes,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

/// Sends requests to backends.
pub(super) struct BackendClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl BackendClient {
    /// A client that trusts the certificate authorities of this machine.
    pub(super) fn new() -> io::Result<Self> {
        let tls = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
        Ok(Self(Client::builder(TokioExecutor::new()).build(tls.build())))
    }

    /// The response of the backend to a request.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
        let exchange = async {
            let response = self.0.request(request.map(Full::new)).await?;
            let (mut head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BYTES).collect().await?.to_bytes();
            head.headers = without_hop_by_hop(head.headers);
            head.headers.remove("content-length");
            Ok(Response::from_parts(head, body))
        };
        timeout(INTEGRATION_TIMEOUT, exchange).await?
    }
}

impl fmt::Debug for BackendClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendClient").finish_non_exhaustive()
    }
}

/// The headers of a client's request that are passed on to a backend.
pub(super) fn forwarded_headers(headers: HeaderMap) -> HeaderMap {
    let mut headers = without_hop_by_hop(headers);
    headers.remove("host");
    headers.remove("content-length");
    headers
}

/// The headers that are not of one connection only (RFC 9110 section 7.6.1).
fn without_hop_by_hop(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all("connection")
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}

const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// The limits of HTTP APIs ("Quotas for configuring and running an HTTP API" in the developer guide).
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BYTES: usize = 10 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_are_not_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("connection", "x-b, close"), ("x-a", "1"), ("x-b", "2"), ("te", "x")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let kept = without_hop_by_hop(headers);
        let kept: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
        assert_eq!(kept, ["x-a"]);
    }
}
