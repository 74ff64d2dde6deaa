use jwt::json;
use policy::issuance::Caller;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{IssuanceError, MAX_REQUEST_BYTES, PublishedDocument, proxy::ProxyRequest};

/// An event of the issuer's Lambda function.
#[derive(Debug, PartialEq, Eq)]
pub struct IssuerEvent {
    /// Where the event comes from. It decides the form of the response.
    pub source: EventSource,
    /// The operation that the event asks for, or why it is refused.
    pub operation: Result<Operation, IssuanceError>,
}

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSource {
    /// API Gateway's proxy integration.
    Http,
    /// A direct invocation (`lambda:InvokeFunction`).
    Invoke,
}

/// An operation of the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Issue a token to this caller. The bytes are the request's JSON, which is not yet parsed.
    IssueToken(Caller, Vec<u8>),
    /// Publish a document. It is public: no caller is needed.
    Publish(PublishedDocument),
}

impl IssuerEvent {
    /// Reads an event. One with a `requestContext` is a proxy event of API Gateway; any other is itself the
    /// request of a direct invocation.
    #[must_use]
    pub fn read(event: &str) -> Self {
        // serde would read an array by the order of its items.
        let is_object = event.trim_start().starts_with('{');
        let probe = serde_json::from_str::<Probe>(event).ok().filter(|_| is_object);
        let Some(Probe { request_context: Some(_), version }) = probe else {
            return Self { source: EventSource::Invoke, operation: Operation::invoked(event) };
        };
        let version = version.map(RawValue::get);
        // The published types cannot read lone surrogates, which a client can put into a header that the
        // issuer does not use.
        let event = json::replace_lone_surrogates(event);
        Self {
            source: EventSource::Http,
            operation: ProxyRequest::read(&event, version).and_then(Operation::routed),
        }
    }
}

/// The members that distinguish API Gateway's events from all others, and its formats from each other. They are
/// read before the length of the event is checked, so neither is copied.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe<'a> {
    request_context: Option<IgnoredAny>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
}

impl Operation {
    /// The operation of a direct invocation.
    fn invoked(event: &str) -> Result<Self, IssuanceError> {
        if event.len() > MAX_REQUEST_BYTES {
            return Err(IssuanceError::RequestTooLarge);
        }
        Ok(Self::IssueToken(Caller::Invoke, event.as_bytes().to_vec()))
    }

    /// The operation that a route of the API stands for.
    fn routed(request: ProxyRequest) -> Result<Self, IssuanceError> {
        let is_token = request.path == "/token";
        let document = PublishedDocument::at_path(&request.path);
        match (document, request.method.as_str()) {
            (Some(document), "GET" | "HEAD") => Ok(Self::Publish(document)),
            (Some(_), _) => Err(IssuanceError::MethodNotAllowed { allow: "GET" }),
            (None, "POST") if is_token => {
                let caller = request.caller.clone().ok_or(IssuanceError::UnknownCaller)?;
                Ok(Self::IssueToken(caller, request.body()?))
            }
            (None, _) if is_token => Err(IssuanceError::MethodNotAllowed { allow: "POST" }),
            (None, _) => Err(IssuanceError::NotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_without_request_context_is_the_request_itself() {
        let texts = [
            r#"{"claims":{"sub":"a"}}"#,
            " {\"claims\" : {\"sub\":\"\\u0061\"}}\n",
            r#"{"claims":{},"version":"2.0"}"#,
            r#"{"claims":{},"requestContext":null}"#,
            // The request's strict parser refuses the duplicate member.
            r#"{"requestContext":{},"requestContext":{}}"#,
        ];
        for text in texts {
            let operation = Ok(Operation::IssueToken(Caller::Invoke, text.as_bytes().to_vec()));
            let expected = IssuerEvent { source: EventSource::Invoke, operation };
            assert_eq!(IssuerEvent::read(text), expected);
        }
        for other in ["null", "[1]", r#"{"requestContext":null}"#, "{"] {
            assert_eq!(IssuerEvent::read(other).source, EventSource::Invoke, "{other}");
        }
    }

    #[test]
    fn direct_invocation_over_64_kib_is_refused() {
        let padded = |bytes: usize| format!(r#"{{"claims":{{}}{}}}"#, " ".repeat(bytes - 13));
        for (bytes, is_accepted) in [(MAX_REQUEST_BYTES, true), (MAX_REQUEST_BYTES + 1, false)] {
            let event = IssuerEvent::read(&padded(bytes));
            assert_eq!(event.source, EventSource::Invoke, "{bytes}");
            let expected = if is_accepted { None } else { Some(IssuanceError::RequestTooLarge) };
            assert_eq!(event.operation.err(), expected, "{bytes}");
        }
    }
}
