//! HTTP proxy integrations: requests that are passed on to a backend.

use std::{error::Error, fmt, io, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, Uri,
    body::Bytes,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{definition::unsupported, event::HttpRequest};
use crate::{
    gateway::api_definition::{member, missing},
    template::{TemplateError, text},
};

/// An HTTP proxy integration.
#[derive(Debug, Clone)]
pub(super) struct HttpProxy {
    uri: Uri,
    /// The method of requests to the backend, or `None` for that of the client.
    method: Option<Method>,
    /// The headers that replace those of the client.
    overwritten: Vec<(HeaderName, ValueTemplate)>,
}

/// A value with references to members of `$context.authorizer`: text, then pairs of a member and more text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ValueTemplate {
    start: String,
    rest: Vec<(String, String)>,
}

impl HttpProxy {
    /// Reads the properties of an integration after the evaluation of intrinsic functions.
    pub(super) fn read(properties: &Value) -> Result<Self, TemplateError> {
        let kind = text(member(properties, "IntegrationType")?);
        if kind != "HTTP_PROXY" {
            return Err(unsupported(&format!("IntegrationType {kind} of an HTTP API")));
        }
        let uri = text(member(properties, "IntegrationUri")?);
        let uri: Uri = uri.parse().map_err(|_| missing("IntegrationUri that is a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.path().contains('{') {
            return Err(missing("IntegrationUri with https or http, and without path parameters"));
        }
        let method = match &*text(member(properties, "IntegrationMethod")?) {
            "ANY" => None,
            method => Some(method.parse().map_err(|_| missing("IntegrationMethod"))?),
        };
        let parameters = properties.get("RequestParameters").and_then(Value::as_object);
        let overwritten = parameters.into_iter().flatten().map(|(name, value)| {
            let header = name.strip_prefix("overwrite:header.").and_then(|name| name.parse().ok());
            let header = header.ok_or_else(|| unsupported(&format!("request parameter {name}")))?;
            Ok((header, ValueTemplate::parse(&text(value))?))
        });
        Ok(Self { uri, method, overwritten: overwritten.collect::<Result<_, _>>()? })
    }

    /// The request to the backend.
    fn request(
        &self,
        request: HttpRequest,
        context: &Map<String, Value>,
    ) -> Result<Request<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        let mut headers = without_hop_by_hop(request.headers);
        headers.remove("host");
        headers.remove("content-length");
        for (name, value) in &self.overwritten {
            headers.insert(name, value.render(context).parse()?);
        }
        let mut target = self.uri.to_string();
        if !request.query.is_empty() {
            let separator = if self.uri.query().is_some() { "&" } else { "?" };
            target.extend([separator, &request.query]);
        }
        let method = self.method.clone().unwrap_or(request.method);
        let mut forwarded =
            Request::builder().method(method).uri(target).body(Full::new(request.body))?;
        *forwarded.headers_mut() = headers;
        Ok(forwarded)
    }
}

impl ValueTemplate {
    fn parse(value: &str) -> Result<Self, TemplateError> {
        let invalid = || unsupported(&format!("the value {value} of a request parameter"));
        // A value without braces can also be a reference.
        if value.starts_with('$') && !value.starts_with("${") {
            return Err(invalid());
        }
        let Some((start, mut rest)) = value.split_once("${") else {
            return Ok(Self { start: value.to_owned(), rest: Vec::new() });
        };
        let mut references = Vec::new();
        loop {
            let (reference, after) = rest.split_once('}').ok_or_else(invalid)?;
            let name = reference.strip_prefix("context.authorizer.").ok_or_else(invalid)?;
            let (literal, next) = match after.split_once("${") {
                Some((literal, next)) => (literal, Some(next)),
                None => (after, None),
            };
            references.push((name.to_owned(), literal.to_owned()));
            match next {
                Some(next) => rest = next,
                None => return Ok(Self { start: start.to_owned(), rest: references }),
            }
        }
    }

    /// The value. A member that is absent is empty.
    fn render(&self, context: &Map<String, Value>) -> String {
        let mut value = self.start.clone();
        for (name, literal) in &self.rest {
            let member = context.get(name).filter(|member| !member.is_null());
            value.extend([&*member.map(text).unwrap_or_default(), literal]);
        }
        value
    }
}

/// Sends requests to backends.
pub(super) struct ProxyClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl ProxyClient {
    /// A client that trusts the certificate authorities of this machine.
    pub(super) fn new() -> io::Result<Self> {
        let tls = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
        Ok(Self(Client::builder(TokioExecutor::new()).build(tls.build())))
    }

    /// The response of the backend to a request.
    pub(super) async fn forward(
        &self,
        integration: &HttpProxy,
        request: HttpRequest,
        context: &Map<String, Value>,
    ) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
        let request = integration.request(request, context)?;
        let exchange = async {
            let (mut head, body) = self.0.request(request).await?.into_parts();
            let body = Limited::new(body, MAX_BYTES).collect().await?.to_bytes();
            head.headers = without_hop_by_hop(head.headers);
            head.headers.remove("content-length");
            Ok(Response::from_parts(head, body))
        };
        timeout(INTEGRATION_TIMEOUT, exchange).await?
    }
}

impl fmt::Debug for ProxyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyClient").finish_non_exhaustive()
    }
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
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_members_of_the_context() {
        let context = json!({"sub": "a", "exp": 7, "none": null});
        let context = context.as_object().unwrap();
        let rows = [
            ("text", Some("text")),
            ("sub=${context.authorizer.sub}", Some("sub=a")),
            ("${context.authorizer.sub}-${context.authorizer.exp}.", Some("a-7.")),
            ("[${context.authorizer.none}${context.authorizer.other}]", Some("[]")),
            ("", Some("")),
            ("$context.authorizer.sub", None),
            ("${context.requestId}", None),
            ("${context.authorizer.sub", None),
        ];
        for (value, expected) in rows {
            let rendered = ValueTemplate::parse(value).ok().map(|value| value.render(context));
            assert_eq!(rendered.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn unsupported_integrations_are_rejected() {
        let good = json!({
            "IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "IntegrationUri": "https://backend.example/a",
            "RequestParameters": {"overwrite:header.x-a": "b"},
        });
        assert!(HttpProxy::read(&good).is_ok());
        let rows = [
            ("a function", "IntegrationType", json!("AWS_PROXY")),
            ("a file", "IntegrationUri", json!("file:///etc/passwd")),
            ("a path parameter", "IntegrationUri", json!("https://backend.example/{proxy}")),
            ("no URL", "IntegrationUri", json!("backend")),
            ("a query parameter", "RequestParameters", json!({"append:querystring.a": "b"})),
        ];
        for (name, property, value) in rows {
            let mut properties = good.clone();
            properties[property] = value;
            assert!(HttpProxy::read(&properties).is_err(), "{name}");
        }
    }

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
