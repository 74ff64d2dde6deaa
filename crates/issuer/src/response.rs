use aws_lambda_events::{
    apigw::ApiGatewayProxyResponse,
    encodings::Body,
    http::{
        HeaderMap, HeaderValue,
        header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
    },
};
use kms::{Cause, Fault};
use runtime::function::Diagnostic;
use serde_json::{Value, json};

use crate::{EventSource, IssuanceError, IssuedToken};

/// What the caller gets to know.
#[derive(Debug)]
pub enum IssuerResponse {
    /// A token.
    Issued(IssuedToken),
    /// A document for everybody, and whether it may be cached: not if a key may be missing.
    Published(Value, Cacheable),
    /// The keys are not known, so no document about them can be published.
    Unpublished(Fault),
    /// The request is at fault.
    Refused(IssuanceError),
    /// KMS is at fault, or the key, or the role: nothing the caller could mend.
    Failed(Fault),
}

/// Whether caches may keep a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cacheable {
    /// For as long as [`kms::KEY_SET_MAX_AGE`].
    Yes,
    /// Not at all.
    No,
}

impl From<Result<IssuedToken, Fault>> for IssuerResponse {
    fn from(issued: Result<IssuedToken, Fault>) -> Self {
        match issued {
            Ok(issued) => Self::Issued(issued),
            Err(fault) => match fault.cause {
                Cause::TooLong => Self::Refused(IssuanceError::TooLongForKey),
                Cause::TokenTooLong { bytes, max } => {
                    Self::Refused(IssuanceError::TooLongForHeader { bytes, max })
                }
                _ => Self::Failed(fault),
            },
        }
    }
}

impl IssuerResponse {
    /// The answer as this door takes it. Behind API Gateway every answer is a response; a direct
    /// invocation gets the bare token, or a Lambda error of the same name.
    ///
    /// # Errors
    /// For a direct invocation that gets no token, and for a response that cannot be serialised.
    pub fn into_lambda_response(self, door: EventSource) -> Result<Value, Diagnostic> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let (status, body) = match self {
            Self::Issued(issued) => (200, token(&issued)),
            Self::Published(document, cacheable) => {
                if cacheable == Cacheable::Yes {
                    headers.insert(CACHE_CONTROL, HeaderValue::from_static(PUBLIC));
                }
                // A page of any origin may read what is public.
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                (200, document)
            }
            Self::Refused(refusal) => {
                if let IssuanceError::Method { allow } = refusal {
                    headers.insert(ALLOW, HeaderValue::from_static(allow));
                }
                (refusal.status(), error(refusal.code(), &refusal.to_string()))
            }
            // 503 for lasting faults too: the key set is unknown, which is not to say that it has ended.
            Self::Unpublished(fault) => {
                if fault.cause.is_transient() {
                    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                }
                (503, error("temporarily_unavailable", "the keys are not known now"))
            }
            Self::Failed(fault) if fault.cause.is_transient() => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                (503, error("temporarily_unavailable", "try again in a moment"))
            }
            Self::Failed(_) => (500, error("server_error", "no token can be issued now")),
        };
        match door {
            EventSource::Http => proxy_response(status, headers, &body),
            EventSource::Invoke if status == 200 => Ok(body),
            EventSource::Invoke => {
                let member = |name: &str| {
                    body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
                };
                Err(Diagnostic {
                    error_type: member("error"),
                    error_message: member("error_description"),
                })
            }
        }
    }
}

/// The same for REST APIs and both formats of HTTP APIs: a REST API merges `headers` with
/// `multiValueHeaders`, which is empty, and format 2.0 ignores it.
fn proxy_response(status: u16, headers: HeaderMap, body: &Value) -> Result<Value, Diagnostic> {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status.into();
    response.headers = headers;
    response.body = Some(Body::Text(body.to_string()));
    serde_json::to_value(response).map_err(|_| Diagnostic {
        error_type: "server_error".into(),
        error_message: "the response cannot be serialised".into(),
    })
}

/// RFC 6749 section 5.1.
fn token(issued: &IssuedToken) -> Value {
    json!({
        "access_token": issued.signed.token.reveal(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
    })
}

/// RFC 6749 section 5.2.
fn error(code: &str, description: &str) -> Value {
    json!({"error": code, "error_description": description})
}

/// Far shorter than a key is published before it signs.
/// As long as a rotation waits for it: [`kms::KEY_SET_MAX_AGE`].
const PUBLIC: &str = "public, max-age=300";

#[cfg(test)]
mod tests {
    use jwt::{Signed, UnsignedToken};
    use serde_json::Map;

    use super::*;
    use policy::issuance::DeniedField;

    fn issued() -> IssuerResponse {
        let draft = UnsignedToken::new("JWT", &Map::new());
        let token = draft.signing_input(jwt::Algorithm::Rs256, "k").into_token(b"s");
        IssuerResponse::Issued(IssuedToken {
            signed: Signed { token, key_id: "k".into(), receipt: None },
            expires_in: 60,
            claims: Map::new(),
        })
    }

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.e30.cw";

    #[test]
    fn behind_api_gateway_every_answer_is_a_response() {
        let response = |status: u16, extra: Option<(&str, &str)>, body: &str| {
            let mut headers = Map::new();
            headers.insert("content-type".into(), "application/json".into());
            headers.insert("cache-control".into(), "no-store".into());
            headers.extend(extra.map(|(name, value)| (name.to_owned(), value.into())));
            json!({
                "statusCode": status, "headers": headers, "multiValueHeaders": {}, "body": body,
                "isBase64Encoded": false,
            })
        };
        let rows = [
            (
                "a token",
                issued(),
                response(
                    200,
                    None,
                    &format!(
                        r#"{{"access_token":"{TOKEN}","expires_in":60,"token_type":"Bearer"}}"#
                    ),
                ),
            ),
            (
                "refused",
                IssuerResponse::Refused(IssuanceError::Reserved("exp")),
                response(
                    400,
                    None,
                    r#"{"error":"invalid_request","error_description":"exp is set by the issuer and cannot be asked for"}"#,
                ),
            ),
            (
                "elsewhere",
                IssuerResponse::Refused(IssuanceError::NotFound),
                response(
                    404,
                    None,
                    r#"{"error":"invalid_request","error_description":"no such resource"}"#,
                ),
            ),
            (
                "not in the policy",
                IssuerResponse::Refused(IssuanceError::Policy(DeniedField::Scope)),
                response(
                    403,
                    None,
                    r#"{"error":"invalid_scope","error_description":"the policy does not grant the scope"}"#,
                ),
            ),
            (
                "another method",
                IssuerResponse::Refused(IssuanceError::Method { allow: "POST" }),
                response(
                    405,
                    Some(("allow", "POST")),
                    r#"{"error":"invalid_request","error_description":"only POST is accepted here"}"#,
                ),
            ),
            (
                "KMS is slow",
                IssuerResponse::Failed(Fault::timed_out("Sign")),
                response(
                    503,
                    Some(("retry-after", "1")),
                    r#"{"error":"temporarily_unavailable","error_description":"try again in a moment"}"#,
                ),
            ),
        ];
        for (name, answer, expected) in rows {
            assert_eq!(answer.into_lambda_response(EventSource::Http), Ok(expected), "{name}");
        }
    }

    #[test]
    fn complete_key_set_may_be_cached() {
        let published = IssuerResponse::Published(json!({"keys": []}), Cacheable::Yes);
        let answer = published.into_lambda_response(EventSource::Http).unwrap();
        let age = kms::KEY_SET_MAX_AGE.as_secs();
        assert_eq!(answer["headers"]["cache-control"], format!("public, max-age={age}"));
        assert_eq!(answer["headers"]["access-control-allow-origin"], "*");
        assert_eq!(
            (&answer["statusCode"], &answer["body"]),
            (&json!(200), &json!(r#"{"keys":[]}"#))
        );
    }

    #[test]
    fn incomplete_key_set_is_not_cached() {
        let transient = Fault::timed_out("GetPublicKey");
        let mut lasting = transient.clone();
        lasting.cause = Cause::AccessDenied;
        let rows = [
            (
                "without the next key",
                IssuerResponse::Published(json!({}), Cacheable::No),
                200,
                None,
            ),
            ("transient", IssuerResponse::Unpublished(transient), 503, Some("1")),
            ("lasting", IssuerResponse::Unpublished(lasting), 503, None),
        ];
        for (name, answer, status, retry_after) in rows {
            let answer = answer.into_lambda_response(EventSource::Http).unwrap();
            let headers = &answer["headers"];
            assert_eq!(answer["statusCode"], status, "{name}");
            assert_eq!(headers["cache-control"], "no-store", "{name}");
            assert_eq!(headers["retry-after"].as_str(), retry_after, "{name}");
        }
    }

    #[test]
    fn a_direct_invocation_gets_the_token_or_a_lambda_error() {
        let error = |error_type: &str, error_message: &str| {
            Err(Diagnostic { error_type: error_type.into(), error_message: error_message.into() })
        };
        let token = json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 60});
        let rows = [
            ("a token", issued(), Ok(token)),
            (
                "refused",
                IssuerResponse::Refused(IssuanceError::Claims),
                error("invalid_request", "claims must be an object"),
            ),
            (
                "KMS is slow",
                IssuerResponse::Failed(Fault::timed_out("Sign")),
                error("temporarily_unavailable", "try again in a moment"),
            ),
        ];
        for (name, answer, expected) in rows {
            assert_eq!(answer.into_lambda_response(EventSource::Invoke), expected, "{name}");
        }
    }
}
