use std::{fmt, str::FromStr};

use policy::access::{Route, Stage};
use runtime::{Headers, Texts};
use serde::Deserialize;

use crate::EventFormat;

/// An event of API Gateway: the members that the decision depends on.
///
/// All other members may be missing, null or of any type.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizerEvent {
    /// The kind of API and the format of the event.
    pub format: EventFormat,
    /// The API and the stage of the request. The policy covers all of it.
    pub stage: Stage,
    /// The route of the request.
    pub route: Route,
    /// Every value of every `Authorization` header.
    pub authorization: Vec<String>,
    /// Every value of every `Sec-WebSocket-Protocol` header.
    pub subprotocols: Vec<String>,
    /// For which other requests API Gateway may use the response to this one.
    pub cache_scope: CacheScope,
}

/// For which other requests API Gateway may use a cached response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheScope {
    /// For none: the event has no identity source, so the response is not cached.
    Never,
    /// For requests with the same identity sources and this route key.
    ByRoute(String),
    /// For all requests with the same identity sources.
    ByIdentity,
}

impl FromStr for AuthorizerEvent {
    type Err = MalformedEvent;

    fn from_str(event: &str) -> Result<Self, Self::Err> {
        let event = jwt::json::replace_lone_surrogates(event);
        let event: RawEvent<'_> =
            serde_json::from_str(&event).map_err(|_| MalformedEvent::Unreadable)?;
        if !matches!(event.kind.as_deref(), Some("TOKEN" | "REQUEST")) {
            return Err(MalformedEvent::UnsupportedType);
        }
        let arn = event.method_arn.as_ref().or(event.route_arn.as_ref());
        let arn = arn.ok_or(MalformedEvent::InvalidArn)?;
        let (stage, route) = Stage::of_request(arn).map_err(|_| MalformedEvent::InvalidArn)?;
        let format = match (event.kind.as_deref(), event.version.as_deref(), &route) {
            (Some("TOKEN"), ..) => EventFormat::RestToken,
            (Some("REQUEST"), Some("1.0"), _) => EventFormat::Http1,
            (Some("REQUEST"), Some("2.0"), _) => EventFormat::Http2,
            (Some("REQUEST"), None, Route::Key(_)) => EventFormat::WebSocket,
            (Some("REQUEST"), None, Route::Http { .. }) => EventFormat::Rest,
            _ => return Err(MalformedEvent::UnsupportedType),
        };
        let authorization = match format {
            EventFormat::RestToken => {
                event.authorization_token.0.iter().map(|text| (**text).to_owned()).collect()
            }
            EventFormat::Rest
            | EventFormat::Http1
            | EventFormat::Http2
            | EventFormat::WebSocket => event.values("authorization"),
        };
        let subprotocols = event.values("sec-websocket-protocol");
        let cache_scope = event.cache_scope();
        Ok(Self { format, stage, route, authorization, subprotocols, cache_scope })
    }
}

/// The event as API Gateway writes it, without the members that the decision does not depend on: clients choose
/// their names and values.
///
/// The types of `aws_lambda_events` are not used. They lose members that the decision depends on, fail on events
/// that can be decided, and quote the token in the error. `tests/event_types.rs` shows each case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent<'a> {
    /// One would have to know the published type before reading: each type reads events of the others too.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The type for REST APIs, which reads format 1.0 too, loses it. The type for format 1.0 has it, but loses
    /// `multiValueHeaders`.
    version: Option<String>,
    /// The type for format 2.0 loses it.
    method_arn: Option<String>,
    /// All other types lose it.
    route_arn: Option<String>,
    /// The published type fails on anything but a string or null.
    #[serde(borrow, default)]
    authorization_token: Texts<'a>,
    /// The published types keep one of several names that differ only in case, so they lose a second
    /// `Authorization`. They fail on a value that is null, a number or not valid in HTTP, and on a name that is
    /// not valid in HTTP. Those for formats 1.0 and 2.0 also fail on null in place of the headers.
    #[serde(borrow, default)]
    headers: Headers<'a>,
    /// The same as for `headers`, but the published types lose no value.
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
    /// Every value of a header. `multiValueHeaders` has every value, and `headers` the last one of each name. A
    /// value in only one of them counts too, so that no spelling of a second header hides it.
    fn values(&self, name: &str) -> Vec<String> {
        let multi_values = self.multi_value_headers.values(name);
        let mut values: Vec<String> = multi_values.map(str::to_owned).collect();
        let mut unmatched: Vec<String> = values.clone();
        for value in self.headers.values(name) {
            match unmatched.iter().position(|known| known == value) {
                Some(at) => _ = unmatched.swap_remove(at),
                None => values.push(value.to_owned()),
            }
        }
        values
    }

    /// The scope is the route if `$context.routeKey` is an identity source. The event has only the values of the
    /// sources, so this is certain only if the route key is one of them and the client did not send it itself.
    fn cache_scope(&self) -> CacheScope {
        if self.identity_source.0.is_empty() {
            return CacheScope::Never;
        }
        let ([key], sources) = (&*self.route_key.0, &self.identity_source.0) else {
            return CacheScope::ByIdentity;
        };
        let cookies = [self.cookies.0.join("; "), self.cookies.0.join(";")];
        let sent = [&self.headers, &self.query_string_parameters].map(Headers::all);
        let mut sent = sent.into_iter().flatten().chain(cookies.iter().map(String::as_str));
        // API Gateway joins the values of a repeated header with commas.
        if !sources.contains(key) || sent.any(|value| value.contains(&**key)) {
            return CacheScope::ByIdentity;
        }
        CacheScope::ByRoute((**key).to_owned())
    }
}

impl fmt::Debug for AuthorizerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizerEvent")
            .field("format", &self.format)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// The event is not one that API Gateway sends to an authorizer. The client did not cause this, so it is a fault
/// and not a [`Refusal`](crate::Refusal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// The event is not a JSON object, or its `type`, `version` or ARN is not a string.
    #[error("the event is not a JSON object, or its type, version or ARN is not a string")]
    Unreadable,
    /// No authorizer event has this `type` and `version`.
    #[error("the event is not an authorizer event: its type or version is unknown")]
    UnsupportedType,
    /// The ARN is missing, or is not that of a method or a route.
    #[error("the event has no valid methodArn or routeArn")]
    InvalidArn,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request";

    #[test]
    fn every_authorization_header_is_found() {
        let rows = [
            ("no headers", json!({}), vec![]),
            ("null maps", json!({"headers": null, "multiValueHeaders": null}), vec![]),
            ("only in headers", json!({"headers": {"authorization": "a"}}), vec!["a"]),
            (
                "same value in both maps",
                json!({"headers": {"Authorization": "a"}, "multiValueHeaders": {"Authorization": ["a"]}}),
                vec!["a"],
            ),
            (
                "two values of one name",
                json!({"headers": {"Authorization": "b"}, "multiValueHeaders": {"Authorization": ["a", "b"]}}),
                vec!["a", "b"],
            ),
            (
                "same value twice",
                json!({"multiValueHeaders": {"Authorization": ["a", "a"]}}),
                vec!["a", "a"],
            ),
            (
                "two names that differ in case",
                json!({"headers": {"Authorization": "a", "AUTHORIZATION": "b"}}),
                vec!["b", "a"],
            ),
            (
                "same value under two names that differ in case",
                json!({"headers": {"Authorization": "a", "authorization": "a"}}),
                vec!["a", "a"],
            ),
            (
                "different values in the two maps",
                json!({"headers": {"Authorization": "b"}, "multiValueHeaders": {"Authorization": ["a"]}}),
                vec!["a", "b"],
            ),
            (
                "values that are not strings",
                json!({"headers": {"Authorization": 1}, "multiValueHeaders": {"Authorization": [null, {}]}}),
                vec![],
            ),
            (
                "unexpected types in other members",
                json!({
                    "headers": {"Authorization": "a", "X": {"$serde_json::private::RawValue": 1}},
                    "queryStringParameters": {"$serde_json::private::RawValue": "x"},
                    "multiValueQueryStringParameters": [1e300, null],
                    "requestContext": "none",
                }),
                vec!["a"],
            ),
            (
                "lone surrogate in other members",
                serde_json::from_str(
                    r#"{"headers": {"Authorization": "a", "X": "?", "?": "x"}, "queryStringParameters": {"q": "?"}}"#,
                )
                .unwrap(),
                vec!["a"],
            ),
            ("headers that are not an object", json!({"headers": 7, "multiValueHeaders": ["a"]}), vec![]),
            ("another header", json!({"headers": {"X-Authorization": "a"}}), vec![]),
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
    fn malformed_events_are_told_apart() {
        let rows = [
            ("not JSON", "REQUEST".to_owned(), MalformedEvent::Unreadable),
            ("not an object", "[]".into(), MalformedEvent::Unreadable),
            (
                "type that is a number",
                json!({"type": 1, "methodArn": ARN}).to_string(),
                MalformedEvent::Unreadable,
            ),
            ("no type", json!({"methodArn": ARN}).to_string(), MalformedEvent::UnsupportedType),
            ("no ARN", json!({"type": "REQUEST"}).to_string(), MalformedEvent::InvalidArn),
            (
                "null ARN",
                json!({"type": "REQUEST", "methodArn": null}).to_string(),
                MalformedEvent::InvalidArn,
            ),
        ];
        for (name, event, expected) in rows {
            assert_eq!(event.parse::<AuthorizerEvent>(), Err(expected), "{name}");
        }
    }
}
