use jwt::json;
use policy::issuance::Caller;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use crate::{
    AuthenticationScheme, GrantType, IssuanceError, MAX_REQUEST_BYTES, OAuthError,
    PublishedDocument, Routes, oauth::MediaType, proxy::ProxyRequest,
};

/// An event of the issuer's Lambda function.
#[derive(Debug, PartialEq, Eq)]
pub struct IssuerEvent {
    /// The source of the event. It determines the form of the response.
    pub source: EventSource,
    /// The operation that the event asks for, or why it is refused.
    pub operation: Result<Operation, IssuanceError>,
    /// What is known of the request for the log line.
    pub facts: RequestFacts,
}

/// Facts about a request for the log line. All of them are proved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestFacts {
    /// The caller that AWS authenticated.
    pub caller: Option<String>,
    /// The grant of OAuth.
    pub grant: Option<GrantType>,
    /// The issuer, the subject and the id of the assertion.
    pub assertion: Option<Value>,
    /// The client that has proved its identity.
    pub client: Option<String>,
}

/// The source of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSource {
    /// API Gateway's proxy integration.
    Http,
    /// API Gateway's proxy integration, for a request of OAuth (RFC 6749 section 5).
    OAuth,
    /// A direct invocation (`lambda:InvokeFunction`).
    Invoke,
}

/// An operation of the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Issue a token to this caller. The bytes are the request's JSON, which is not yet parsed.
    IssueToken(Caller, Vec<u8>),
    /// Issue a token to this caller, by a grant of OAuth. The bytes are the form, which is not yet parsed.
    GrantToCaller(Caller, Vec<u8>),
    /// Issue a token to a caller that proves its identity in the form, which is not yet parsed.
    GrantForAssertion {
        /// The form.
        form: Vec<u8>,
        /// The scheme of the `Authorization` header, if there is one.
        authorization: Option<AuthenticationScheme>,
    },
    /// Publish a document. It is public: no caller is needed.
    Publish(PublishedDocument),
}

impl IssuerEvent {
    /// An event from this source for this operation.
    #[must_use]
    pub fn new(source: EventSource, operation: Result<Operation, IssuanceError>) -> Self {
        let caller = match &operation {
            Ok(Operation::IssueToken(caller, _) | Operation::GrantToCaller(caller, _)) => {
                Some(caller.to_string())
            }
            Ok(Operation::GrantForAssertion { .. } | Operation::Publish(_)) | Err(_) => None,
        };
        Self { source, operation, facts: RequestFacts { caller, ..RequestFacts::default() } }
    }

    /// Reads an event of a function with these routes. One with a `requestContext` is a proxy event of API Gateway; any
    /// other is itself the request of a direct invocation.
    #[must_use]
    pub fn read(event: &str, routes: Routes) -> Self {
        // serde would read an array by the order of its items.
        let is_object = event.trim_start().starts_with('{');
        let probe = serde_json::from_str::<Probe>(event).ok().filter(|_| is_object);
        let Some(Probe { request_context: Some(_), version }) = probe else {
            return Self::new(EventSource::Invoke, Operation::invoked(event, routes));
        };
        let version = version.map(RawValue::get);
        // The published types cannot read lone surrogates, which a client can put into a header that the
        // issuer does not use.
        let event = json::replace_lone_surrogates(event);
        let operation = ProxyRequest::read(&event, version).and_then(|request| match routes {
            Routes::Iam => Operation::routed(request),
            Routes::OAuth => Operation::routed_without_iam(request),
        });
        let is_oauth = routes == Routes::OAuth
            || matches!(operation, Ok(Operation::GrantToCaller(..)) | Err(IssuanceError::OAuth(_)));
        let source = if is_oauth { EventSource::OAuth } else { EventSource::Http };
        Self::new(source, operation)
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
    fn invoked(event: &str, routes: Routes) -> Result<Self, IssuanceError> {
        if routes == Routes::OAuth {
            return Err(IssuanceError::NotFound);
        }
        if event.len() > MAX_REQUEST_BYTES {
            return Err(IssuanceError::RequestTooLarge);
        }
        Ok(Self::IssueToken(Caller::Invoke, event.as_bytes().to_vec()))
    }

    /// The operation that a route of [`Routes::Iam`] stands for.
    fn routed(request: ProxyRequest) -> Result<Self, IssuanceError> {
        let is_token = request.path == "/token";
        let document = PublishedDocument::at_path(&request.path);
        match (document, request.method.as_str()) {
            (Some(document), "GET" | "HEAD") => Ok(Self::Publish(document)),
            (Some(_), _) => Err(IssuanceError::MethodNotAllowed { allow: "GET" }),
            (None, "POST") if is_token => {
                let caller = request.caller.clone().ok_or(IssuanceError::UnknownCaller)?;
                match request.media_type {
                    MediaType::Json => Ok(Self::IssueToken(caller, request.body()?)),
                    MediaType::Form if request.has_query => Err(OAuthError::Query.into()),
                    MediaType::Form => {
                        let form = request.body()?;
                        // `curl -d` names the content type of a form for any body.
                        if form.trim_ascii_start().starts_with(b"{") {
                            return Err(IssuanceError::UnsupportedMediaType);
                        }
                        Ok(Self::GrantToCaller(caller, form))
                    }
                    MediaType::Other => Err(IssuanceError::UnsupportedMediaType),
                }
            }
            (None, _) if is_token => Err(IssuanceError::MethodNotAllowed { allow: "POST" }),
            (None, _) => Err(IssuanceError::NotFound),
        }
    }

    /// The operation that a route of [`Routes::OAuth`] stands for. None of them has a caller from IAM.
    fn routed_without_iam(request: ProxyRequest) -> Result<Self, IssuanceError> {
        match (request.path.as_str(), request.method.as_str()) {
            ("/oauth2/token", "POST") if request.has_query => Err(OAuthError::Query.into()),
            ("/oauth2/token", "POST") if request.media_type != MediaType::Form => {
                Err(OAuthError::MediaType.into())
            }
            ("/oauth2/token", "POST") => {
                let authorization = request.authorization.clone();
                Ok(Self::GrantForAssertion { form: request.body()?, authorization })
            }
            ("/oauth2/token", _) => Err(IssuanceError::MethodNotAllowed { allow: "POST" }),
            // Clients require this endpoint in the metadata. It never redirects, because it knows no client.
            ("/oauth2/authorize", _) => Err(OAuthError::ResponseType.into()),
            _ => Err(IssuanceError::NotFound),
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
            let expected = IssuerEvent::new(EventSource::Invoke, operation);
            assert_eq!(IssuerEvent::read(text, Routes::Iam), expected);
        }
        for other in ["null", "[1]", r#"{"requestContext":null}"#, "{"] {
            assert_eq!(
                IssuerEvent::read(other, Routes::Iam).source,
                EventSource::Invoke,
                "{other}"
            );
        }
    }

    #[test]
    fn direct_invocation_over_64_kib_is_refused() {
        let padded = |bytes: usize| format!(r#"{{"claims":{{}}{}}}"#, " ".repeat(bytes - 13));
        for (bytes, is_accepted) in [(MAX_REQUEST_BYTES, true), (MAX_REQUEST_BYTES + 1, false)] {
            let event = IssuerEvent::read(&padded(bytes), Routes::Iam);
            assert_eq!(event.source, EventSource::Invoke, "{bytes}");
            let expected = if is_accepted { None } else { Some(IssuanceError::RequestTooLarge) };
            assert_eq!(event.operation.err(), expected, "{bytes}");
        }
    }

    #[test]
    fn function_without_iam_takes_no_direct_invocation() {
        for event in [r#"{"claims":{"sub":"a"}}"#, "null", r#"{"requestContext":null}"#] {
            let expected = IssuerEvent::new(EventSource::Invoke, Err(IssuanceError::NotFound));
            assert_eq!(IssuerEvent::read(event, Routes::OAuth), expected, "{event}");
        }
    }
}
