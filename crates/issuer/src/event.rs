use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{Caller, Refusal, proxy::ProxyRequest};

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
        // serde would read an array by the order of its items.
        let object = event.trim_start().starts_with('{');
        let probe = serde_json::from_str::<Probe>(event).ok().filter(|_| object);
        let Some(Probe { request_context: Some(_), version }) = probe else {
            let ask = Ok(Ask::Token(Caller::Invoke, event.as_bytes().to_vec()));
            return Self { door: Door::Invoke, ask };
        };
        Self { door: Door::Http, ask: ProxyRequest::read(event, &version).and_then(Ask::new) }
    }
}

/// The members that tell API Gateway's events from all others, and its formats apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    request_context: Option<IgnoredAny>,
    #[serde(default)]
    version: Value,
}

impl Ask {
    fn new(request: ProxyRequest) -> Result<Self, Refusal> {
        let document = match &*request.path {
            "/token" => None,
            "/.well-known/jwks.json" => Some(Document::Keys),
            "/.well-known/openid-configuration" => Some(Document::OpenId),
            "/.well-known/oauth-authorization-server" => Some(Document::OAuth),
            _ => return Err(Refusal::NotFound),
        };
        match (document, request.method.as_str()) {
            (Some(document), "GET" | "HEAD") => Ok(Self::Public(document)),
            (Some(_), _) => Err(Refusal::Method { allow: "GET" }),
            (None, "POST") => {
                let caller = request.caller.clone().ok_or(Refusal::Anonymous)?;
                Ok(Self::Token(caller, request.body()?))
            }
            (None, _) => Err(Refusal::Method { allow: "POST" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_invocation_is_the_request() {
        let texts = [
            r#"{"claims":{"sub":"a"}}"#,
            " {\"claims\" : {\"sub\":\"\\u0061\"}}\n",
            r#"{"claims":{},"version":"2.0"}"#,
            r#"{"claims":{},"requestContext":null}"#,
            // Refused later: a member name may stand once.
            r#"{"requestContext":{},"requestContext":{}}"#,
        ];
        for text in texts {
            let ask = Ok(Ask::Token(Caller::Invoke, text.as_bytes().to_vec()));
            assert_eq!(Event::read(text), Event { door: Door::Invoke, ask });
        }
        for other in ["null", "[1]", r#"{"requestContext":null}"#, "{"] {
            assert_eq!(Event::read(other).door, Door::Invoke, "{other}");
        }
    }
}
