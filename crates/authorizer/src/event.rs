use std::{fmt, str::FromStr};

use policy::access::{Api, Route, Stage};
use runtime::{Headers, Texts};
use serde::Deserialize;

/// What API Gateway asks: the members of an event that decide anything.
///
/// Members that decide nothing may be missing, null or of any type.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizerEvent {
    /// Which API Gateway asks.
    pub kind: EventFormat,
    /// The deployment that the request is for. The policy is over all of it.
    pub stage: Stage,
    /// Where the request goes.
    pub route: Route,
    /// Every value of every `Authorization` header.
    pub authorization: Vec<String>,
    /// Every value of every `Sec-WebSocket-Protocol` header.
    pub protocols: Vec<String>,
    /// What API Gateway may keep the answer under.
    pub cached: CacheScope,
}

/// The kinds of events, which tell themselves apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFormat {
    /// A REST API's `REQUEST` authorizer.
    Rest,
    /// A REST API's `TOKEN` authorizer.
    RestToken,
    /// An HTTP API, format 1.0.
    Http1,
    /// An HTTP API, format 2.0.
    Http2,
    /// A WebSocket API's `$connect`.
    WebSocket,
}

impl EventFormat {
    /// The kind of API that sends such events.
    #[must_use]
    pub const fn api(self) -> Api {
        match self {
            Self::Rest | Self::RestToken => Api::Rest,
            Self::Http1 | Self::Http2 => Api::Http,
            Self::WebSocket => Api::WebSocket,
        }
    }
}

impl fmt::Display for EventFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rest => "REST API, REQUEST",
            Self::RestToken => "REST API, TOKEN",
            Self::Http1 => "HTTP API, format 1.0",
            Self::Http2 => "HTTP API, format 2.0",
            Self::WebSocket => "WebSocket API",
        })
    }
}

/// For which other requests API Gateway may use the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheScope {
    /// None: there is nothing that it could be kept under.
    Never,
    /// Those of the same route key.
    ByRoute(String),
    /// All with the same identity sources.
    ByIdentity,
}

impl FromStr for AuthorizerEvent {
    type Err = MalformedEvent;

    fn from_str(event: &str) -> Result<Self, Self::Err> {
        let event = jwt::json::replace_lone_surrogates(event);
        let event: RawEvent<'_> =
            serde_json::from_str(&event).map_err(|_| MalformedEvent::Unreadable)?;
        if !matches!(event.kind.as_deref(), Some("TOKEN" | "REQUEST")) {
            return Err(MalformedEvent::Kind);
        }
        let arn = event.method_arn.as_ref().or(event.route_arn.as_ref());
        let arn = arn.ok_or(MalformedEvent::Arn)?;
        let (stage, route) = Stage::of_request(arn).map_err(|_| MalformedEvent::Arn)?;
        let kind = match (event.kind.as_deref(), event.version.as_deref(), &route) {
            (Some("TOKEN"), ..) => EventFormat::RestToken,
            (Some("REQUEST"), Some("1.0"), _) => EventFormat::Http1,
            (Some("REQUEST"), Some("2.0"), _) => EventFormat::Http2,
            (Some("REQUEST"), None, Route::Key(_)) => EventFormat::WebSocket,
            (Some("REQUEST"), None, Route::Http { .. }) => EventFormat::Rest,
            _ => return Err(MalformedEvent::Kind),
        };
        let authorization = match kind {
            EventFormat::RestToken => {
                event.authorization_token.0.iter().map(|text| (**text).to_owned()).collect()
            }
            _ => event.values("authorization"),
        };
        let protocols = event.values("sec-websocket-protocol");
        Ok(Self { kind, stage, route, authorization, protocols, cached: event.cached() })
    }
}

/// The event as API Gateway writes it. Members that are not here decide nothing: clients choose their
/// names and values.
///
/// The types of `aws_lambda_events` are not used: they lose what decides, or cannot read an event that
/// has an answer, and quote its token in the error. `tests/event_types.rs` shows each case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent<'a> {
    /// The published type would have to be known before; each reads events of others, too.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Lost in the type for REST APIs, which reads format 1.0 alike. The type for format 1.0 has it,
    /// and loses `multiValueHeaders`.
    version: Option<String>,
    /// Lost in the type for format 2.0.
    method_arn: Option<String>,
    /// Lost in all other types.
    route_arn: Option<String>,
    /// The published type fails on anything but a string or null.
    #[serde(borrow, default)]
    authorization_token: Texts<'a>,
    /// The published types keep one of several names that differ in case alone, so a second
    /// `Authorization` is lost. They fail on a value that is null, a number or not valid in HTTP, and
    /// on a name that is not; those for formats 1.0 and 2.0 also on null in place of the headers.
    #[serde(borrow, default)]
    headers: Headers<'a>,
    /// As for `headers`, but no value is lost.
    #[serde(borrow, default)]
    multi_value_headers: Headers<'a>,
    /// The type for format 2.0 fails on a null among the sources.
    #[serde(borrow, default)]
    identity_source: Texts<'a>,
    /// The type for format 2.0 fails on anything but a string or null.
    #[serde(borrow, default)]
    route_key: Texts<'a>,
    /// The type for format 2.0 fails on a value that is null.
    #[serde(borrow, default)]
    query_string_parameters: Headers<'a>,
    /// The type for format 2.0 fails on null.
    #[serde(borrow, default)]
    cookies: Texts<'a>,
}

impl RawEvent<'_> {
    /// `multiValueHeaders` has every value, and `headers` the last of each name. What stands in one
    /// alone counts all the same, so that no way of writing a second header hides it.
    fn values(&self, name: &str) -> Vec<String> {
        let several = self.multi_value_headers.values(name);
        let mut values: Vec<String> = several.map(str::to_owned).collect();
        let mut told: Vec<String> = values.clone();
        for value in self.headers.values(name) {
            match told.iter().position(|known| known == value) {
                Some(at) => _ = told.swap_remove(at),
                None => values.push(value.to_owned()),
            }
        }
        values
    }

    /// `$context.routeKey` is among the identity sources if its value is, and if it cannot be the
    /// client who wrote that value somewhere else.
    fn cached(&self) -> CacheScope {
        if self.identity_source.0.is_empty() {
            return CacheScope::Never;
        }
        let ([key], sources) = (&*self.route_key.0, &self.identity_source.0) else {
            return CacheScope::ByIdentity;
        };
        let cookies = [self.cookies.0.join("; "), self.cookies.0.join(";")];
        let clients = [&self.headers, &self.query_string_parameters].map(Headers::all);
        let mut clients = clients.into_iter().flatten().chain(cookies.iter().map(String::as_str));
        // API Gateway joins the values of a repeated header with commas.
        if !sources.contains(key) || clients.any(|value| value.contains(&**key)) {
            return CacheScope::ByIdentity;
        }
        CacheScope::ByRoute((**key).to_owned())
    }
}

impl fmt::Debug for AuthorizerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizerEvent")
            .field("kind", &self.kind)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// The event is not one that API Gateway sends, or not one for this function. Not the client's
/// fault, so not a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// Not a JSON object, or one whose `type`, `version` or ARN is no string.
    #[error("the event cannot be read")]
    Unreadable,
    /// `type` and `version` are of no authorizer's event.
    #[error("the event is not one for an authorizer")]
    Kind,
    /// The ARN is missing, or not of a method or a route.
    #[error("the event has no valid methodArn or routeArn")]
    Arn,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request";

    #[test]
    fn authorization_headers() {
        let rows = [
            ("none", json!({}), vec![]),
            ("null maps", json!({"headers": null, "multiValueHeaders": null}), vec![]),
            ("in headers alone", json!({"headers": {"authorization": "a"}}), vec!["a"]),
            (
                "the same in both",
                json!({"headers": {"Authorization": "a"}, "multiValueHeaders": {"Authorization": ["a"]}}),
                vec!["a"],
            ),
            (
                "twice in one name",
                json!({"headers": {"Authorization": "b"}, "multiValueHeaders": {"Authorization": ["a", "b"]}}),
                vec!["a", "b"],
            ),
            (
                "the same twice",
                json!({"multiValueHeaders": {"Authorization": ["a", "a"]}}),
                vec!["a", "a"],
            ),
            (
                "in two cases",
                json!({"headers": {"Authorization": "a", "AUTHORIZATION": "b"}}),
                vec!["b", "a"],
            ),
            (
                "the same in two cases",
                json!({"headers": {"Authorization": "a", "authorization": "a"}}),
                vec!["a", "a"],
            ),
            (
                "different in the two maps",
                json!({"headers": {"Authorization": "b"}, "multiValueHeaders": {"Authorization": ["a"]}}),
                vec!["a", "b"],
            ),
            (
                "of odd types",
                json!({"headers": {"Authorization": 1}, "multiValueHeaders": {"Authorization": [null, {}]}}),
                vec![],
            ),
            (
                "odd members around it",
                json!({
                    "headers": {"Authorization": "a", "X": {"$serde_json::private::RawValue": 1}},
                    "queryStringParameters": {"$serde_json::private::RawValue": "x"},
                    "multiValueQueryStringParameters": [1e300, null],
                    "requestContext": "none",
                }),
                vec!["a"],
            ),
            (
                "half a character elsewhere",
                serde_json::from_str(
                    r#"{"headers": {"Authorization": "a", "X": "?", "?": "x"}, "queryStringParameters": {"q": "?"}}"#,
                )
                .unwrap(),
                vec!["a"],
            ),
            ("headers that are none", json!({"headers": 7, "multiValueHeaders": ["a"]}), vec![]),
            ("of another name", json!({"headers": {"X-Authorization": "a"}}), vec![]),
        ];
        for (name, mut event, expected) in rows {
            event["type"] = "REQUEST".into();
            event["methodArn"] = ARN.into();
            let event = event.to_string().replace('?', "\\ud800");
            let request: AuthorizerEvent = event.parse().unwrap();
            assert_eq!(request.authorization, expected, "{name}");
        }
    }

    #[test]
    fn events_that_are_nobodys() {
        let rows = [
            ("not JSON", "REQUEST".to_owned(), MalformedEvent::Unreadable),
            ("not an object", "[]".into(), MalformedEvent::Unreadable),
            (
                "a type that is a number",
                json!({"type": 1, "methodArn": ARN}).to_string(),
                MalformedEvent::Unreadable,
            ),
            ("no type", json!({"methodArn": ARN}).to_string(), MalformedEvent::Kind),
            ("no ARN", json!({"type": "REQUEST"}).to_string(), MalformedEvent::Arn),
            (
                "a null ARN",
                json!({"type": "REQUEST", "methodArn": null}).to_string(),
                MalformedEvent::Arn,
            ),
        ];
        for (name, event, expected) in rows {
            assert_eq!(event.parse::<AuthorizerEvent>(), Err(expected), "{name}");
        }
    }
}
