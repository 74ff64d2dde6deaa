use base64::{Engine, engine::general_purpose::STANDARD};
use kms::Headers;
use serde::{Deserialize, de::IgnoredAny};

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
        // A list would be read by the place of its items.
        let object = event.trim_start().starts_with('{');
        let probe = serde_json::from_str::<Probe>(event);
        if !object || !probe.is_ok_and(|probe| probe.request_context.is_some()) {
            let ask = Ok(Ask::Token(Caller::Invoke, event.as_bytes().to_vec()));
            return Self { door: Door::Invoke, ask };
        }
        let proxy = serde_json::from_str::<Proxy<'_>>(event).map_err(|_| Refusal::Event);
        Self { door: Door::Http, ask: proxy.and_then(Proxy::ask) }
    }
}

/// What tells API Gateway's events from all others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    request_context: Option<IgnoredAny>,
}

/// The members of a proxy event that decide anything here: of a REST API and an HTTP API with
/// format 1.0, or with format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proxy<'a> {
    request_context: Context,
    version: Option<String>,
    resource: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    http_method: Option<String>,
    #[serde(borrow, default)]
    headers: Headers<'a>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
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

/// What API Gateway has found of the caller; or what a Lambda authorizer has said, which is not that.
#[derive(Deserialize)]
#[serde(untagged)]
enum Authorizer {
    Iam { iam: Identity },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    user_arn: Option<String>,
}

impl Context {
    /// Where the format has it: in 1.0 and on REST APIs `authorizer` is somebody else's.
    fn caller(&self, version: Option<&str>) -> Option<Caller> {
        let identity = match (version, &self.authorizer) {
            (Some("2.0"), Some(Authorizer::Iam { iam })) => Some(iam),
            (Some("2.0"), _) => None,
            _ => self.identity.as_ref(),
        };
        let arn = identity?.user_arn.clone()?;
        (arn.starts_with("arn:") && arn.len() <= MAX_ARN_BYTES).then_some(Caller::Iam(arn))
    }
}

impl Proxy<'_> {
    fn ask(self) -> Result<Ask, Refusal> {
        let (method, path) = self.route();
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
                let caller = self.request_context.caller(self.version.as_deref());
                Ok(Ask::Token(caller.ok_or(Refusal::Anonymous)?, self.body()?))
            }
            (None, _) => Err(Refusal::Method { allow: "POST" }),
        }
    }

    /// The method and the path, as the API has them: without the stage, and without the base path of
    /// a domain of its own.
    fn route(&self) -> (String, String) {
        let context = &self.request_context;
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
        let resource = self.resource.clone().filter(|resource| !resource.contains(['{', '$']));
        (text(&self.http_method), resource.unwrap_or_else(|| text(&self.path)))
    }

    fn body(self) -> Result<Vec<u8>, Refusal> {
        if !self.headers.values("content-type").all(is_json) {
            return Err(Refusal::MediaType);
        }
        let body = self.body.ok_or(Refusal::Body)?;
        if self.is_base64_encoded == Some(true) {
            return STANDARD.decode(body).map_err(|_| Refusal::Body);
        }
        Ok(body.into_bytes())
    }
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// No ARN of IAM or STS is longer.
const MAX_ARN_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_direct_invocation_is_the_request() {
        let text = r#"{"claims":{"sub":"a"}}"#;
        let ask = Ok(Ask::Token(Caller::Invoke, text.as_bytes().to_vec()));
        assert_eq!(Event::read(text), Event { door: Door::Invoke, ask });
        for other in ["null", "[1]", r#"{"requestContext":null}"#, "{"] {
            assert_eq!(Event::read(other).door, Door::Invoke, "{other}");
        }
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

    /// Nobody but API Gateway says who asks.
    #[test]
    fn callers_by_format() {
        let arn = "arn:aws:iam::123456789012:role/admin";
        let known = Some(Caller::Iam(arn.into()));
        let (iam, identity) = (json!({"iam": {"userArn": arn}}), json!({"userArn": arn}));
        let long = format!("arn:{}", "x".repeat(2045));
        let rows = [
            ("REST", json!(null), identity.clone(), json!(null), known.clone()),
            ("REST, a Lambda authorizer's", json!(null), json!({}), iam.clone(), None),
            ("REST, both", json!(null), identity.clone(), json!({"iam": "x"}), known.clone()),
            ("HTTP 1.0", json!("1.0"), identity.clone(), json!(null), known.clone()),
            ("HTTP 1.0, a Lambda authorizer's", json!("1.0"), json!({}), iam.clone(), None),
            ("HTTP 2.0", json!("2.0"), json!(null), iam, known),
            (
                "HTTP 2.0, a Lambda authorizer's",
                json!("2.0"),
                json!(null),
                json!({"lambda": {"iam": 1}}),
                None,
            ),
            ("HTTP 2.0, in the other place", json!("2.0"), identity, json!(null), None),
            ("no ARN", json!(null), json!({"userArn": "admin"}), json!(null), None),
            ("too long", json!(null), json!({"userArn": long}), json!(null), None),
        ];
        for (name, version, identity, authorizer, expected) in rows {
            let event = json!({
                "version": version, "resource": "/token", "httpMethod": "POST", "body": "{}",
                "rawPath": "/token", "isBase64Encoded": null,
                "requestContext": {
                    "identity": identity, "authorizer": authorizer, "http": {"method": "POST"},
                },
            });
            let ask = expected.map(|caller| Ask::Token(caller, b"{}".to_vec()));
            let ask = ask.ok_or(Refusal::Anonymous);
            assert_eq!(Event::read(&event.to_string()), Event { door: Door::Http, ask }, "{name}");
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
            ("keys, by the default route", rest("$default", jwks, "GET"), keys.clone()),
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
            ("not an event", json!({"requestContext": []}), Err(Refusal::Event)),
            ("odd members", json!({"requestContext": {}, "resource": 1}), Err(Refusal::Event)),
        ];
        for (name, event, ask) in rows {
            assert_eq!(Event::read(&event.to_string()), Event { door: Door::Http, ask }, "{name}");
        }
    }
}
