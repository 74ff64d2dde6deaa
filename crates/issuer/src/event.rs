use jwt::json;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use policy::issuance::Caller;

use crate::{IssuanceError, MAX_REQUEST_BYTES, proxy::ProxyRequest};

/// Something that Lambda was invoked with.
#[derive(Debug, PartialEq, Eq)]
pub struct IssuerEvent {
    /// How it came in, and so how the answer goes out.
    pub door: EventSource,
    /// Who asks, and for what; or why it is nothing to be answered.
    pub ask: Result<Operation, IssuanceError>,
}

/// A way into the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSource {
    /// API Gateway's proxy integration.
    Http,
    /// `lambda:InvokeFunction`.
    Invoke,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A token, by this caller with this JSON.
    Token(Caller, Vec<u8>),
    /// What anybody may know of the issuer.
    Public(PublishedDocument),
}

/// What is published under `/.well-known/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedDocument {
    /// `jwks.json`: the keys (RFC 7517).
    Keys,
    /// `openid-configuration` (`OpenID` Connect Discovery 1.0).
    OpenId,
}

impl IssuerEvent {
    /// An event with a `requestContext` is API Gateway's; any other is the request itself.
    #[must_use]
    pub fn read(event: &str) -> Self {
        // serde would read an array by the order of its items.
        let object = event.trim_start().starts_with('{');
        let probe = serde_json::from_str::<Probe>(event).ok().filter(|_| object);
        let Some(Probe { request_context: Some(_), version }) = probe else {
            return Self { door: EventSource::Invoke, ask: Operation::direct(event) };
        };
        let version = version.map(RawValue::get);
        // In a header it decides nothing, and the published types do not read it.
        let event = json::replace_lone_surrogates(event);
        Self {
            door: EventSource::Http,
            ask: ProxyRequest::read(&event, version).and_then(Operation::new),
        }
    }
}

/// The members that tell API Gateway's events from all others, and its formats apart. They are read
/// before the length of the event is known to be allowed, so neither copies anything.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe<'a> {
    request_context: Option<IgnoredAny>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
}

impl Operation {
    fn direct(event: &str) -> Result<Self, IssuanceError> {
        if event.len() > MAX_REQUEST_BYTES {
            return Err(IssuanceError::RequestTooLarge);
        }
        Ok(Self::Token(Caller::Invoke, event.as_bytes().to_vec()))
    }

    fn new(request: ProxyRequest) -> Result<Self, IssuanceError> {
        let document = match &*request.path {
            "/token" => None,
            "/.well-known/jwks.json" => Some(PublishedDocument::Keys),
            "/.well-known/openid-configuration" => Some(PublishedDocument::OpenId),
            // `oauth-authorization-server` (RFC 8414) belongs to a token endpoint for OAuth clients, which
            // there is not: no client authentication method is registered for the SigV4 of `/token`.
            _ => return Err(IssuanceError::NotFound),
        };
        match (document, request.method.as_str()) {
            (Some(document), "GET" | "HEAD") => Ok(Self::Public(document)),
            (Some(_), _) => Err(IssuanceError::Method { allow: "GET" }),
            (None, "POST") => {
                let caller = request.caller.clone().ok_or(IssuanceError::Anonymous)?;
                Ok(Self::Token(caller, request.body()?))
            }
            (None, _) => Err(IssuanceError::Method { allow: "POST" }),
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
            let ask = Ok(Operation::Token(Caller::Invoke, text.as_bytes().to_vec()));
            assert_eq!(IssuerEvent::read(text), IssuerEvent { door: EventSource::Invoke, ask });
        }
        for other in ["null", "[1]", r#"{"requestContext":null}"#, "{"] {
            assert_eq!(IssuerEvent::read(other).door, EventSource::Invoke, "{other}");
        }
    }

    #[test]
    fn event_of_a_direct_invocation_over_64_kib_is_refused() {
        let padded = |bytes: usize| format!(r#"{{"claims":{{}}{}}}"#, " ".repeat(bytes - 13));
        for (bytes, accepted) in [(MAX_REQUEST_BYTES, true), (MAX_REQUEST_BYTES + 1, false)] {
            let event = IssuerEvent::read(&padded(bytes));
            assert_eq!(event.door, EventSource::Invoke, "{bytes}");
            let expected = if accepted { None } else { Some(IssuanceError::RequestTooLarge) };
            assert_eq!(event.ask.err(), expected, "{bytes}");
        }
    }
}
