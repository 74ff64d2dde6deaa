use base64::{Engine, engine::general_purpose::STANDARD};
use kms::Headers;
use serde::Deserialize;

use crate::{Caller, Refusal};

/// Something that Lambda was invoked with.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// How it came in, and so how the answer goes out.
    pub door: Door,
    /// Who asks, and for what; or why it is nothing to be answered.
    pub ask: Result<Ask, Refusal>,
}

/// A way into the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// API Gateway's proxy integration.
    Http,
    /// `lambda:InvokeFunction`.
    Invoke,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A token, by this caller with this JSON.
    Token(Caller, Vec<u8>),
    /// What anybody may know of the issuer.
    Public(Document),
}

/// What is published under `/.well-known/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// `jwks.json`: the keys (RFC 7517).
    Keys,
    /// `openid-configuration` (`OpenID` Connect Discovery 1.0).
    OpenId,
    /// `oauth-authorization-server` (RFC 8414).
    OAuth,
}

impl Event {
    /// An event with a `requestContext` is API Gateway's; any other is the request itself.
    #[must_use]
    pub fn read(event: &str) -> Self {
        match serde_json::from_str::<Proxy>(event) {
            Ok(Proxy { request_context: Some(context), request }) => {
                Self { door: Door::Http, ask: request.ask(&context) }
            }
            _ => Self {
                door: Door::Invoke,
                ask: Ok(Ask::Token(Caller::Invoke, event.as_bytes().to_vec())),
            },
        }
    }
}

/// The members of a proxy event that decide anything here: of a REST API and an HTTP API with
/// format 1.0, or with format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proxy {
    request_context: Option<Context>,
    #[serde(flatten)]
    request: HttpRequest,
}

#[derive(Deserialize)]
struct Context {
    stage: Option<String>,
    http: Option<Http>,
    identity: Option<Identity>,
    authorizer: Option<Authorizer>,
}

#[derive(Deserialize)]
struct Http {
    method: Option<String>,
}

#[derive(Deserialize)]
struct Authorizer {
    iam: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    user_arn: Option<String>,
}

impl Context {
    fn caller(&self) -> Option<Caller> {
        let iam = self.authorizer.as_ref().and_then(|authorizer| authorizer.iam.as_ref());
        let identity = iam.or(self.identity.as_ref())?;
        let arn = identity.user_arn.clone().filter(|arn| !arn.is_empty());
        arn.map(Caller::Iam)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpRequest {
    version: Option<String>,
    resource: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    http_method: Option<String>,
    #[serde(default)]
    headers: Headers,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

impl HttpRequest {
    fn ask(self, context: &Context) -> Result<Ask, Refusal> {
        let (method, path) = self.route(context);
        let document = match &*path {
            "/token" => None,
            "/.well-known/jwks.json" => Some(Document::Keys),
            "/.well-known/openid-configuration" => Some(Document::OpenId),
            "/.well-known/oauth-authorization-server" => Some(Document::OAuth),
            _ => return Err(Refusal::NotFound),
        };
        match (document, &*method) {
            (Some(document), "GET" | "HEAD") => Ok(Ask::Public(document)),
            (Some(_), _) => Err(Refusal::Method { allow: "GET" }),
            (None, "POST") => {
                let caller = context.caller().ok_or(Refusal::Anonymous)?;
                Ok(Ask::Token(caller, self.body()?))
            }
            (None, _) => Err(Refusal::Method { allow: "POST" }),
        }
    }

    /// The method and the path, as the API has them: without the stage, and without the base path of
    /// a domain of its own.
    fn route(&self, context: &Context) -> (String, String) {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        if self.version.as_deref() == Some("2.0") {
            let method = context.http.as_ref().map(|http| text(&http.method));
            let path = text(&self.raw_path);
            let stage = context.stage.as_deref().unwrap_or_default();
            let within = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
            let within = within.filter(|path| path.starts_with('/')).map(str::to_owned);
            return (method.unwrap_or_default(), within.unwrap_or(path));
        }
        // A route for several paths does not say which it is.
        let resource = self.resource.clone().filter(|resource| !resource.contains('{'));
        (text(&self.http_method), resource.unwrap_or_else(|| text(&self.path)))
    }

    fn body(self) -> Result<Vec<u8>, Refusal> {
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
        let ask = Ok(Ask::Token(Caller::Invoke, text.as_bytes().to_vec()));
        assert_eq!(Event::read(text), Event { door: Door::Invoke, ask });
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
            (
                "GET",
                event("/token", "GET", None, None, false),
                Err(Refusal::Method { allow: "POST" }),
            ),
            (
                "elsewhere",
                event("/tokens", "POST", json, Some("{}"), false),
                Err(Refusal::NotFound),
            ),
        ];
        for (name, event, expected) in rows {
            let read = Event::read(&event.to_string());
            let caller = Caller::Iam("arn:aws:iam::123456789012:user/a".into());
            let ask = expected.map(|text| Ask::Token(caller, text.as_bytes().to_vec()));
            assert_eq!(read, Event { door: Door::Http, ask }, "{name}");
        }
    }

    #[test]
    fn routes_of_every_kind_of_api() {
        let rest = |resource: &str, path: &str, method: &str| {
            json!({
                "resource": resource, "path": path, "httpMethod": method, "body": "{}",
                "requestContext": {"stage": "v1", "identity": {"userArn": null}},
            })
        };
        let http = |stage: &str, path: &str, method: &str| {
            json!({
                "version": "2.0", "rawPath": path, "body": "{}", "routeKey": "$default",
                "requestContext": {
                    "stage": stage, "http": {"method": method},
                    "authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/a"}},
                },
            })
        };
        let token = Ok(Ask::Token(Caller::Iam("arn:aws:iam::1:user/a".into()), b"{}".to_vec()));
        let keys = Ok(Ask::Public(Document::Keys));
        let jwks = "/.well-known/jwks.json";
        let mut anonymous = http("v1", "/token", "POST");
        anonymous["requestContext"]["authorizer"] = json!({"jwt": {"claims": {}}});
        let rows = [
            ("keys", rest(jwks, jwks, "GET"), keys.clone()),
            ("keys, greedy", rest("/{proxy+}", jwks, "GET"), keys.clone()),
            (
                "keys, with a base path",
                rest(jwks, "/base/.well-known/jwks.json", "HEAD"),
                keys.clone(),
            ),
            ("keys, posted", rest(jwks, jwks, "POST"), Err(Refusal::Method { allow: "GET" })),
            (
                "openid",
                rest("/.well-known/openid-configuration", "", "GET"),
                Ok(Ask::Public(Document::OpenId)),
            ),
            (
                "oauth",
                rest("/.well-known/oauth-authorization-server", "", "GET"),
                Ok(Ask::Public(Document::OAuth)),
            ),
            ("another document", rest("/.well-known/jwks", "", "GET"), Err(Refusal::NotFound)),
            ("a token for nobody", rest("/token", "/token", "POST"), Err(Refusal::Anonymous)),
            ("HTTP API", http("$default", "/token", "POST"), token.clone()),
            ("HTTP API with a stage", http("v1", "/v1/token", "POST"), token),
            (
                "HTTP API without it",
                http("v1", "/token", "GET"),
                Err(Refusal::Method { allow: "POST" }),
            ),
            ("HTTP API, another stage", http("v", "/v1/token", "POST"), Err(Refusal::NotFound)),
            ("HTTP API, keys", http("$default", jwks, "GET"), keys),
            ("HTTP API for nobody", anonymous, Err(Refusal::Anonymous)),
            ("nothing", json!({"requestContext": {}}), Err(Refusal::NotFound)),
        ];
        for (name, event, ask) in rows {
            assert_eq!(Event::read(&event.to_string()), Event { door: Door::Http, ask }, "{name}");
        }
    }
}
