use std::time::Duration;

use aws_lambda_events::{
    apigw::ApiGatewayProxyResponse,
    encodings::Body,
    http::{
        HeaderMap, HeaderValue,
        header::{
            ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER,
            WWW_AUTHENTICATE,
        },
    },
};
use kms::{Cause, Fault, PublishedRing};
use runtime::function::Diagnostic;
use serde_json::{Value, json};

use crate::{EventSource, IssuanceError, IssuedToken, OAuthError, oauth::ProviderFault};

/// A response of the issuer, independent of the event source.
#[derive(Debug)]
pub enum IssuerResponse {
    /// A token.
    Issued(IssuedToken),
    /// A token for an OAuth client, with its scope if it differs from the requested one.
    Granted(IssuedToken, Option<String>),
    /// A public document, and whether caches may keep it. They must not if a key may be missing.
    Published(Value, Cacheable),
    /// The keys could not be loaded, so no document about them can be published.
    KeysUnavailable(Fault),
    /// The request is refused. The caller can correct it.
    Refused(IssuanceError),
    /// KMS, the key or the role is at fault. The caller cannot correct it.
    Failed(Fault),
    /// The keys of a trusted issuer are not available.
    ProviderFailed(ProviderFault),
}

/// Whether caches may keep a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cacheable {
    /// For as long as [`kms::KEY_SET_MAX_AGE`].
    Yes,
    /// Caches must not keep it.
    No,
}

impl From<&PublishedRing> for Cacheable {
    /// Clients must not keep a key set that may lack the next key.
    fn from(published: &PublishedRing) -> Self {
        if published.next_fault.is_none() { Self::Yes } else { Self::No }
    }
}

impl From<Result<IssuedToken, Fault>> for IssuerResponse {
    fn from(issued: Result<IssuedToken, Fault>) -> Self {
        match issued {
            Ok(issued) => Self::Issued(issued),
            Err(fault) => match fault.cause {
                Cause::TooLong => Self::Refused(IssuanceError::TooLongForKey),
                Cause::TokenTooLong { bytes, max } => {
                    Self::Refused(IssuanceError::TokenTooLong { bytes, max })
                }
                _ => Self::Failed(fault),
            },
        }
    }
}

impl IssuerResponse {
    /// The response to an OAuth client that asked for this scope. It names the scope of the token if the two differ
    /// (RFC 6749 section 5.1).
    pub(crate) fn granted(issued: IssuedToken, requested_scope: Option<&str>) -> Self {
        let scope = issued.claim_text("scope");
        let differs = scope.as_deref() != requested_scope;
        Self::Granted(issued, scope.filter(|_| differs))
    }

    /// The return value of the Lambda function. For API Gateway, it is always a proxy response with a status. For a
    /// direct invocation, it is the OAuth token response, or a Lambda error whose type is the OAuth error code.
    ///
    /// # Errors
    /// For a direct invocation that gets no token, and for a response that cannot be serialized.
    pub fn into_lambda_response(self, source: EventSource) -> Result<Value, Diagnostic> {
        let status = self.status(source);
        match source {
            EventSource::Http | EventSource::OAuth => {
                proxy_response(status, self.headers(source), &self.into_body())
            }
            EventSource::Invoke if status == 200 => Ok(self.into_body()),
            EventSource::Invoke => Err(diagnostic(&self.into_body())),
        }
    }

    const fn status(&self, source: EventSource) -> u16 {
        match self {
            Self::Issued(_) | Self::Granted(..) | Self::Published(..) => 200,
            Self::Refused(error) => match source {
                EventSource::OAuth => error.oauth_status(),
                EventSource::Http | EventSource::Invoke => error.status(),
            },
            // For lasting faults too: the key set still exists, but it is unknown at this moment; and the assertion may be
            // valid, so it is not refused.
            Self::KeysUnavailable(_) | Self::ProviderFailed(_) => 503,
            Self::Failed(fault) if fault.cause.is_transient() => 503,
            Self::Failed(_) => 500,
        }
    }

    fn headers(&self, source: EventSource) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, self.cache_control());
        if source == EventSource::OAuth {
            headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        }
        if matches!(self, Self::Published(..)) {
            // The document is public, so pages of any origin may read it (CORS).
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        if let Some(time) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(time.as_secs()));
        }
        match self {
            Self::Refused(IssuanceError::MethodNotAllowed { allow }) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::Refused(IssuanceError::OAuth(OAuthError::AuthorizationHeader(scheme))) => {
                headers.insert(WWW_AUTHENTICATE, scheme.challenge());
            }
            _ => {}
        }
        headers
    }

    fn cache_control(&self) -> HeaderValue {
        let max_age = match self {
            // The rotation waits this long before a published key signs.
            Self::Published(_, Cacheable::Yes) => Some(kms::KEY_SET_MAX_AGE.as_secs()),
            _ => None,
        };
        let public = max_age.and_then(|seconds| format!("public, max-age={seconds}").parse().ok());
        public.unwrap_or(HeaderValue::from_static("no-store"))
    }

    /// After how long the caller can try again.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable(fault) | Self::Failed(fault) => fault.retry_after(),
            Self::ProviderFailed(fault) => Some(fault.retry_after()),
            Self::Issued(_) | Self::Granted(..) | Self::Published(..) | Self::Refused(_) => None,
        }
    }

    fn into_body(self) -> Value {
        let unavailable = |description: &str| error_body("temporarily_unavailable", description);
        match self {
            Self::Issued(issued) => token_body(&issued, None),
            Self::Granted(issued, scope) => token_body(&issued, scope),
            Self::Published(document, _) => document,
            Self::Refused(error) => error_body(error.code(), &error.to_string()),
            Self::KeysUnavailable(_) => unavailable("the keys are unavailable: try again later"),
            Self::ProviderFailed(_) => {
                unavailable("the keys of the assertion's issuer are unavailable: try again later")
            }
            Self::Failed(fault) => match fault.retry_after() {
                Some(time) => {
                    let seconds = time.as_secs();
                    unavailable(&format!("KMS is unavailable: try again in {seconds} s"))
                }
                None => error_body(
                    "server_error",
                    "the token could not be issued: see the issuer's log",
                ),
            },
        }
    }
}

/// The error of a direct invocation.
fn diagnostic(body: &Value) -> Diagnostic {
    let member = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Diagnostic { error_type: member("error"), error_message: member("error_description") }
}

/// A response that REST APIs and both formats of HTTP APIs accept: a REST API merges `headers` with
/// `multiValueHeaders`, which is empty, and format 2.0 ignores `multiValueHeaders`.
fn proxy_response(status: u16, headers: HeaderMap, body: &Value) -> Result<Value, Diagnostic> {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status.into();
    response.headers = headers;
    response.body = Some(Body::Text(body.to_string()));
    serde_json::to_value(response).map_err(|_| Diagnostic {
        error_type: "server_error".into(),
        error_message: "the response cannot be serialized".into(),
    })
}

/// The successful response of RFC 6749 section 5.1.
fn token_body(issued: &IssuedToken, scope: Option<String>) -> Value {
    let mut body = json!({
        "access_token": issued.signed.token.reveal(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
    });
    if let (Some(members), Some(scope)) = (body.as_object_mut(), scope) {
        members.insert("scope".into(), scope.into());
    }
    body
}

/// The error response of RFC 6749 section 5.2.
fn error_body(code: &str, description: &str) -> Value {
    json!({"error": code, "error_description": description})
}

#[cfg(test)]
mod tests;
