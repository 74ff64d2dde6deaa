//! Requests to an HTTP API, and the events of its authorizers ("Create HTTP API Lambda authorizers" in the developer
//! guide).

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use hyper::{HeaderMap, Method, Request, body::Bytes, header::HeaderValue};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    definition::{HttpRoute, IdentitySource, PayloadFormat},
    integration::HttpProxy,
};
use crate::{
    account::ACCOUNT,
    gateway::{
        api_request::{API_ID, domain_name, execute_api_arn, or_null, path_parameters, title_case},
        authorizer::is_present,
        backend::forwarded_headers,
    },
};

/// A request to an HTTP API. It contains credentials, so it has no `Debug`.
pub(super) struct HttpRequest {
    pub(super) id: Uuid,
    pub(super) method: Method,
    /// The path, decoded once: HTTP APIs do not pass it on as it was sent.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    region: String,
    stage: String,
}

impl HttpRequest {
    pub(super) fn new(id: Uuid, request: Request<Bytes>, region: &str, stage: &str) -> Self {
        let (head, body) = request.into_parts();
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
        Self {
            id,
            method: head.method,
            path,
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            region: region.to_owned(),
            stage: stage.to_owned(),
        }
    }

    /// The ARN of the route, which a policy must allow.
    pub(super) fn arn(&self) -> String {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        execute_api_arn(&self.region, &self.stage, &format!("{}/{path}", self.method))
    }

    /// The values of an identity source, or `None` if it is missing or empty.
    pub(super) fn identity(&self, source: &IdentitySource, route: &HttpRoute) -> Option<String> {
        let value = match source {
            IdentitySource::Header(name) => self.header_values().remove(name),
            IdentitySource::QueryParameter(name) => self.query_values().remove(name),
            IdentitySource::RouteKey => Some(route.key.clone()),
        };
        value.filter(|value| is_present(value.as_bytes()))
    }

    /// The request to the backend of a route. `context` is `$context.authorizer`.
    pub(super) fn into_backend_request(
        self,
        HttpProxy { uri, method, overwritten }: &HttpProxy,
        context: &Map<String, Value>,
    ) -> Result<Request<Bytes>, hyper::http::Error> {
        let mut headers = forwarded_headers(self.headers);
        for (name, value) in overwritten {
            headers.insert(name, HeaderValue::try_from(value.render(context))?);
        }
        let mut target = uri.to_string();
        if !self.query.is_empty() {
            let separator = if uri.query().is_some() { "&" } else { "?" };
            target.extend([separator, &self.query]);
        }
        let method = method.clone().unwrap_or(self.method);
        let mut forwarded = Request::builder().method(method).uri(target).body(self.body)?;
        *forwarded.headers_mut() = headers;
        Ok(forwarded)
    }

    /// The event of an authorizer with these values of its identity sources.
    pub(super) fn authorizer_event(
        &self,
        format: PayloadFormat,
        identity: &[String],
        route: &HttpRoute,
    ) -> Value {
        match format {
            PayloadFormat::V1 => self.event_v1(identity, route),
            PayloadFormat::V2 => self.event_v2(identity, route),
        }
    }

    fn event_v1(&self, identity: &[String], route: &HttpRoute) -> Value {
        let headers: BTreeMap<_, _> = self
            .header_values()
            .into_iter()
            .map(|(name, value)| (title_case(&name), value))
            .collect();
        let identity = identity.join(",");
        json!({
            "version": "1.0",
            "type": "REQUEST",
            "methodArn": self.arn(),
            "identitySource": identity,
            "authorizationToken": identity,
            "resource": route.resource(),
            "path": self.path,
            "httpMethod": self.method.as_str(),
            "headers": headers,
            "queryStringParameters": self.query_values(),
            "pathParameters": path_parameters(route.resource(), &self.path),
            "stageVariables": {},
            "requestContext": {
                "path": self.path,
                "accountId": ACCOUNT,
                "resourceId": route.key,
                "stage": self.stage,
                "requestId": self.id.to_string(),
                "identity": {"sourceIp": "127.0.0.1", "userAgent": self.user_agent()},
                "resourcePath": route.resource(),
                "httpMethod": self.method.as_str(),
                "apiId": API_ID,
            },
        })
    }

    fn event_v2(&self, identity: &[String], route: &HttpRoute) -> Value {
        let mut headers = self.header_values();
        let cookies = headers.remove("cookie");
        let cookies: Option<Vec<_>> =
            cookies.map(|all| all.split(';').map(|cookie| cookie.trim().to_owned()).collect());
        let now = SystemTime::now();
        let epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut event = json!({
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": self.arn(),
            "identitySource": identity,
            "routeKey": route.key,
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": API_ID,
                "domainName": domain_name(&self.region),
                "domainPrefix": API_ID,
                "http": {
                    "method": self.method.as_str(),
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": self.user_agent(),
                },
                "requestId": self.id.to_string(),
                "routeKey": route.key,
                "stage": self.stage,
                "time": common_log_time(now),
                "timeEpoch": u64::try_from(epoch).unwrap_or(u64::MAX),
            },
        });
        // These members are absent rather than empty.
        let optional = [
            ("cookies", json!(cookies)),
            ("queryStringParameters", or_null(&self.query_values())),
            ("pathParameters", or_null(&path_parameters(route.resource(), &self.path))),
        ];
        if let Some(members) = event.as_object_mut() {
            let present = optional.into_iter().filter(|(_, value)| !value.is_null());
            members.extend(present.map(|(name, value)| (name.to_owned(), value)));
        }
        event
    }

    /// The headers by their lower-case names. Repeated headers are joined with commas.
    fn header_values(&self) -> BTreeMap<String, String> {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &self.headers {
            append(&mut values, name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
        values
    }

    /// The decoded query parameters. Repeated ones are joined with commas.
    fn query_values(&self) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            append(&mut values, &name, &value);
        }
        values
    }

    fn user_agent(&self) -> &str {
        let agent = self.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        agent.unwrap_or_default()
    }
}

fn append(values: &mut BTreeMap<String, String>, name: &str, value: &str) {
    match values.get_mut(name) {
        Some(before) => before.extend([",", value]),
        None => {
            values.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// A time as in access logs: `12/Mar/2020:19:03:58 +0000`.
fn common_log_time(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    match *date.split(' ').collect::<Vec<_>>() {
        [_, day, month, year, time, _] => format!("{day}/{month}/{year}:{time} +0000"),
        _ => date,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gateway::http_api::integration::HttpProxy;

    fn route(key: &str) -> HttpRoute {
        let backend = json!({
            "IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "IntegrationUri": "http://127.0.0.1",
        });
        let integration = HttpProxy::read(&backend).unwrap();
        HttpRoute { key: key.into(), authorizer: None, integration }
    }

    fn request(target: &str) -> HttpRequest {
        let request = Request::get(target)
            .header("Authorization", "Bearer a")
            .header("x-a", "1")
            .header("x-a", "2")
            .header("cookie", "b=c; d=e")
            .header("user-agent", "test");
        let request = request.body(Bytes::new()).unwrap();
        HttpRequest::new(Uuid::nil(), request, "us-east-1", "$default")
    }

    #[test]
    fn events_of_format_2_have_the_documented_members() {
        let request = request("/a%62/x%2Fy?q=1&q=2&r=%20");
        let mut event = request.authorizer_event(
            PayloadFormat::V2,
            &["Bearer a".into()],
            &route("GET /ab/{proxy+}"),
        );
        let context = event["requestContext"].as_object_mut().unwrap();
        assert!(context.remove("time").is_some() && context.remove("timeEpoch").is_some());
        let expected = json!({
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": "arn:aws:execute-api:us-east-1:000000000000:local/$default/GET/ab/x/y",
            "identitySource": ["Bearer a"],
            "routeKey": "GET /ab/{proxy+}",
            "rawPath": "/ab/x/y",
            "rawQueryString": "q=1&q=2&r=%20",
            "cookies": ["b=c", "d=e"],
            "headers": {"authorization": "Bearer a", "x-a": "1,2", "user-agent": "test"},
            "queryStringParameters": {"q": "1,2", "r": " "},
            "pathParameters": {"proxy": "x/y"},
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "local",
                "domainName": "local.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "local",
                "http": {
                    "method": "GET", "path": "/ab/x/y", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                    "userAgent": "test",
                },
                "requestId": Uuid::nil().to_string(),
                "routeKey": "GET /ab/{proxy+}",
                "stage": "$default",
            },
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn events_of_format_1_have_the_documented_members() {
        let event = request("/ab").authorizer_event(
            PayloadFormat::V1,
            &["Bearer a".into(), "GET /ab".into()],
            &route("GET /ab"),
        );
        let expected = json!({
            "version": "1.0",
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:us-east-1:000000000000:local/$default/GET/ab",
            "identitySource": "Bearer a,GET /ab",
            "authorizationToken": "Bearer a,GET /ab",
            "resource": "/ab",
            "path": "/ab",
            "httpMethod": "GET",
            "headers": {"Authorization": "Bearer a", "X-A": "1,2", "Cookie": "b=c; d=e", "User-Agent": "test"},
            "queryStringParameters": {},
            "pathParameters": {},
            "stageVariables": {},
            "requestContext": {
                "path": "/ab",
                "accountId": "000000000000",
                "resourceId": "GET /ab",
                "stage": "$default",
                "requestId": Uuid::nil().to_string(),
                "identity": {"sourceIp": "127.0.0.1", "userAgent": "test"},
                "resourcePath": "/ab",
                "httpMethod": "GET",
                "apiId": "local",
            },
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn values_of_identity_sources_are_read_from_the_request() {
        let (request, route) = (request("/a?q=1&e="), route("GET /a"));
        let rows = [
            (IdentitySource::Header("authorization".into()), Some("Bearer a")),
            (IdentitySource::Header("x-b".into()), None),
            (IdentitySource::QueryParameter("q".into()), Some("1")),
            (IdentitySource::QueryParameter("e".into()), None),
            (IdentitySource::RouteKey, Some("GET /a")),
        ];
        for (source, expected) in rows {
            assert_eq!(request.identity(&source, &route).as_deref(), expected, "{source:?}");
        }
    }

    #[test]
    fn times_have_the_form_of_access_logs() {
        let time = UNIX_EPOCH + Duration::from_secs(1_584_039_838);
        assert_eq!(common_log_time(time), "12/Mar/2020:19:03:58 +0000");
    }
}
