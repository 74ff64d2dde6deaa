use base64::{Engine, engine::general_purpose::STANDARD};
use kms::Headers;
use serde::Deserialize;

use crate::Refusal;

/// Something that Lambda was invoked with.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// How it came in, and so how the answer goes out.
    pub door: Door,
    /// Who asks: an IAM ARN, or `invoke` for a direct invocation.
    pub caller: String,
    /// The token request's JSON, if this is a request for a token.
    pub body: Result<Vec<u8>, Refusal>,
}

/// A way into the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// API Gateway's proxy integration.
    Http,
    /// `lambda:InvokeFunction`.
    Invoke,
}

impl Event {
    /// An event with a `requestContext` is API Gateway's; any other is the request itself.
    #[must_use]
    pub fn read(event: &str) -> Self {
        match serde_json::from_str::<Proxy>(event) {
            Ok(Proxy { request_context: Some(context), request }) => Self {
                door: Door::Http,
                caller: context.identity.and_then(|identity| identity.user_arn).unwrap_or_default(),
                body: request.body(),
            },
            _ => Self {
                door: Door::Invoke,
                caller: "invoke".into(),
                body: Ok(event.as_bytes().to_vec()),
            },
        }
    }
}

/// The members of a REST or HTTP 1.0 proxy event that decide anything here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proxy {
    request_context: Option<Context>,
    #[serde(flatten)]
    request: HttpRequest,
}

#[derive(Deserialize)]
struct Context {
    identity: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    user_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpRequest {
    resource: Option<String>,
    http_method: Option<String>,
    #[serde(default)]
    headers: Headers,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

impl HttpRequest {
    fn body(self) -> Result<Vec<u8>, Refusal> {
        if self.resource.as_deref() != Some("/token") {
            return Err(Refusal::NotFound);
        }
        if self.http_method.as_deref() != Some("POST") {
            return Err(Refusal::Method);
        }
        if !self.headers.values("content-type").all(is_json) {
            return Err(Refusal::MediaType);
        }
        let body = self.body.ok_or(Refusal::Body)?;
        if self.is_base64_encoded {
            return STANDARD.decode(body).map_err(|_| Refusal::Body);
        }
        Ok(body.into_bytes())
    }
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_direct_invocation_is_the_request() {
        let text = r#"{"claims":{"sub":"a"}}"#;
        let body = Ok(text.as_bytes().to_vec());
        assert_eq!(Event::read(text), Event { door: Door::Invoke, caller: "invoke".into(), body });
        assert_eq!(Event::read("null").door, Door::Invoke);
    }

    #[test]
    fn proxy_events() {
        let event = |resource: &str,
                     method: &str,
                     content_type: Option<&str>,
                     body: Option<&str>,
                     encoded: bool| {
            json!({
                "resource": resource,
                "httpMethod": method,
                "headers": content_type.map(|value| json!({"content-TYPE": value, "X-Odd": null, "X-Odder": [1]})),
                "body": body,
                "isBase64Encoded": encoded,
                "requestContext": {"identity": {"userArn": "arn:aws:iam::123456789012:user/a"}},
            })
        };
        let json = Some("application/json; charset=utf-8");
        let rows = [
            ("a request", event("/token", "POST", json, Some("{}"), false), Ok("{}")),
            ("no content type", event("/token", "POST", None, Some("{}"), false), Ok("{}")),
            ("encoded", event("/token", "POST", json, Some("e30="), true), Ok("{}")),
            ("badly encoded", event("/token", "POST", json, Some("e30"), true), Err(Refusal::Body)),
            ("no body", event("/token", "POST", json, None, false), Err(Refusal::Body)),
            (
                "a form",
                event(
                    "/token",
                    "POST",
                    Some("application/x-www-form-urlencoded"),
                    Some("{}"),
                    false,
                ),
                Err(Refusal::MediaType),
            ),
            ("GET", event("/token", "GET", None, None, false), Err(Refusal::Method)),
            (
                "elsewhere",
                event("/tokens", "POST", json, Some("{}"), false),
                Err(Refusal::NotFound),
            ),
        ];
        for (name, event, expected) in rows {
            let read = Event::read(&event.to_string());
            let expected = Event {
                door: Door::Http,
                caller: "arn:aws:iam::123456789012:user/a".into(),
                body: expected.map(|text| text.as_bytes().to_vec()),
            };
            assert_eq!(read, expected, "{name}");
        }
    }
}
