//! Requests for new connections, and the event of their authorizer ("Control access to WebSocket APIs with AWS Lambda
//! REQUEST authorizers" in the developer guide).

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use hyper::{HeaderMap, Request, body::Bytes};
use serde_json::{Value, json};
use uuid::Uuid;

use super::definition::ConnectSource;
use crate::gateway::{
    api_request::{API_ID, domain_name, execute_api_arn, last_values, title_case},
    authorizer::is_present,
};

/// A request for a new connection. It contains credentials, so it has no `Debug`.
pub(super) struct ConnectRequest {
    pub(super) connection_id: String,
    id: Uuid,
    query: String,
    headers: HeaderMap,
    region: String,
    stage: String,
}

impl ConnectRequest {
    pub(super) fn new(id: Uuid, request: Request<Bytes>, region: &str, stage: &str) -> Self {
        let (head, _) = request.into_parts();
        Self {
            connection_id: Uuid::new_v4().simple().to_string(),
            id,
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            region: region.to_owned(),
            stage: stage.to_owned(),
        }
    }

    /// The ARN of the route, which a policy must allow.
    pub(super) fn arn(&self) -> String {
        execute_api_arn(&self.region, &self.stage, "$connect")
    }

    /// Whether an identity source is present and not empty.
    pub(super) fn has(&self, source: &ConnectSource) -> bool {
        let values = match source {
            ConnectSource::Header(name) => self.headers().remove(&title_case(name)),
            ConnectSource::QueryParameter(name) => self.query().remove(name),
        };
        values.is_some_and(|values| values.iter().any(|value| is_present(value.as_bytes())))
    }

    /// The body of a response of the API itself.
    pub(super) fn message(&self, message: &str) -> Value {
        json!({
            "message": message,
            "connectionId": self.connection_id,
            "requestId": self.id.to_string(),
        })
    }

    /// The event of the authorizer. Unlike that of a REST API, it has neither a method nor a path.
    pub(super) fn authorizer_event(&self) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let (headers, query) = (self.headers(), self.query());
        json!({
            "type": "REQUEST",
            "methodArn": self.arn(),
            "headers": last_values(&headers),
            "multiValueHeaders": headers,
            "queryStringParameters": last_values(&query),
            "multiValueQueryStringParameters": query,
            "stageVariables": {},
            "requestContext": {
                "routeKey": "$connect",
                "eventType": "CONNECT",
                "extendedRequestId": self.id.simple().to_string(),
                "messageDirection": "IN",
                "stage": self.stage,
                "connectedAt": now,
                "requestTimeEpoch": now,
                "identity": {"sourceIp": "127.0.0.1"},
                "requestId": self.id.to_string(),
                "domainName": domain_name(&self.region),
                "connectionId": self.connection_id,
                "apiId": API_ID,
            },
        })
    }

    fn headers(&self) -> BTreeMap<String, Vec<String>> {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(title_case(name.as_str())).or_default().push(value);
        }
        headers
    }

    fn query(&self) -> BTreeMap<String, Vec<String>> {
        let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            query.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_new_connections_have_the_documented_members() {
        let request = Request::get("/?q=1&q=2&e=")
            .header("Authorization", "Bearer a")
            .header("x-a", "1")
            .header("x-a", "2")
            .body(Bytes::new())
            .unwrap();
        let request = ConnectRequest::new(Uuid::nil(), request, "us-east-1", "v1");
        let rows = [
            (ConnectSource::Header("authorization".into()), true),
            (ConnectSource::Header("x-b".into()), false),
            (ConnectSource::QueryParameter("q".into()), true),
            (ConnectSource::QueryParameter("e".into()), false),
        ];
        for (source, expected) in rows {
            assert_eq!(request.has(&source), expected, "{source:?}");
        }
        let mut event = request.authorizer_event();
        let context = event["requestContext"].as_object_mut().unwrap();
        for time in ["connectedAt", "requestTimeEpoch"] {
            assert!(context.remove(time).unwrap().as_u64().unwrap() > 1_700_000_000_000, "{time}");
        }
        let expected = json!({
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:us-east-1:000000000000:local/v1/$connect",
            "headers": {"Authorization": "Bearer a", "X-A": "2"},
            "multiValueHeaders": {"Authorization": ["Bearer a"], "X-A": ["1", "2"]},
            "queryStringParameters": {"q": "2", "e": ""},
            "multiValueQueryStringParameters": {"q": ["1", "2"], "e": [""]},
            "stageVariables": {},
            "requestContext": {
                "routeKey": "$connect",
                "eventType": "CONNECT",
                "extendedRequestId": "00000000000000000000000000000000",
                "messageDirection": "IN",
                "stage": "v1",
                "identity": {"sourceIp": "127.0.0.1"},
                "requestId": "00000000-0000-0000-0000-000000000000",
                "domainName": "local.execute-api.us-east-1.amazonaws.com",
                "connectionId": request.connection_id,
                "apiId": "local",
            },
        });
        assert_eq!(event, expected);
    }
}
