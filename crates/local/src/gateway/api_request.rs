//! Requests, and the events that API Gateway derives from them ("Input format of a Lambda function for proxy
//! integration" in the developer guide).

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{HeaderMap, Method, body::Bytes};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::sigv4::SigV4Caller;
use crate::{account::ACCOUNT, partition::Partition};

/// A request to a route. It contains credentials, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct ApiRequest {
    pub(super) id: Uuid,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) source: IpAddr,
    pub(super) region: String,
    pub(super) stage: String,
    pub(super) resource: String,
}

impl ApiRequest {
    /// The ARN of the method, which a policy must allow.
    pub(super) fn arn(&self) -> String {
        let Self { region, stage, method, path, .. } = self;
        // As sent: a second slash at the start and one at the end stay.
        let path = path.strip_prefix('/').unwrap_or(path);
        execute_api_arn(region, stage, &format!("{method}/{path}"))
    }

    /// The event of a REQUEST authorizer.
    pub(super) fn authorizer_event(&self) -> Value {
        let mut event = self.common_members();
        event.extend([
            ("type".to_owned(), "REQUEST".into()),
            ("methodArn".to_owned(), self.arn().into()),
            ("requestContext".to_owned(), self.context(None)),
        ]);
        Value::Object(event)
    }

    /// The event of a TOKEN authorizer.
    pub(super) fn token_event(&self, token: &str) -> Value {
        json!({"type": "TOKEN", "authorizationToken": token, "methodArn": self.arn()})
    }

    /// The event of a proxy integration.
    pub(super) fn proxy_event(&self, caller: Option<&SigV4Caller>, authorizer: &Value) -> Value {
        let (body, is_base64) = match std::str::from_utf8(&self.body) {
            _ if self.body.is_empty() => (Value::Null, false),
            Ok(text) => (text.into(), false),
            Err(_) => (STANDARD.encode(&self.body).into(), true),
        };
        let mut context = self.context(caller);
        if let (Some(context), false) = (context.as_object_mut(), authorizer.is_null()) {
            context.insert("authorizer".into(), authorizer.clone());
        }
        let mut event = self.common_members();
        event.extend([
            ("requestContext".to_owned(), context),
            ("body".to_owned(), body),
            ("isBase64Encoded".to_owned(), is_base64.into()),
        ]);
        Value::Object(event)
    }

    fn common_members(&self) -> Map<String, Value> {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(title_case(name.as_str())).or_default().push(value);
        }
        let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            query.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        let parameters = path_parameters(&self.resource, &self.path);
        let members = json!({
            "resource": self.resource,
            "path": self.path,
            "httpMethod": self.method.as_str(),
            "headers": last_values(&headers),
            "multiValueHeaders": or_null(&headers),
            "queryStringParameters": last_values(&query),
            "multiValueQueryStringParameters": or_null(&query),
            "pathParameters": or_null(&parameters),
            "stageVariables": null,
        });
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    fn context(&self, caller: Option<&SigV4Caller>) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let agent = self.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        json!({
            "resourceId": "local",
            "resourcePath": self.resource,
            "httpMethod": self.method.as_str(),
            "path": format!("/{}{}", self.stage, self.path),
            "accountId": ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": self.stage,
            "domainPrefix": API_ID,
            "domainName": domain_name(&self.region),
            "requestTimeEpoch": u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            "requestId": self.id.to_string(),
            "extendedRequestId": self.id.simple().to_string(),
            "apiId": API_ID,
            "identity": {
                "accessKey": caller.map(|caller| &caller.access_key),
                "accountId": caller.map(|_| ACCOUNT),
                "caller": caller.map(|caller| &caller.access_key),
                "user": caller.map(|caller| &caller.access_key),
                "userArn": caller.map(|caller| caller.arn(&self.region)),
                "sourceIp": self.source.to_string(),
                "userAgent": agent,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
            },
        })
    }
}

/// The ARN of a method or route of a stage.
pub(super) fn execute_api_arn(region: &str, stage: &str, route: &str) -> String {
    let resource = format!("{API_ID}/{stage}/{route}");
    Partition::of_region(region).arn("execute-api", region, ACCOUNT, &resource)
}

/// The domain name of the API.
pub(crate) fn domain_name(region: &str) -> String {
    let suffix = Partition::of_region(region).url_suffix;
    format!("{API_ID}.execute-api.{region}.{suffix}")
}

/// The last value of each name, or null without names.
pub(super) fn last_values(values: &BTreeMap<String, Vec<String>>) -> Value {
    let last: BTreeMap<_, _> = values.iter().map(|(name, values)| (name, values.last())).collect();
    or_null(&last)
}

/// A map, or null instead of an empty one.
pub(super) fn or_null<K: AsRef<str>, V: serde::Serialize>(map: &BTreeMap<K, V>) -> Value {
    if map.is_empty() {
        return Value::Null;
    }
    map.iter().map(|(name, value)| (name.as_ref().to_owned(), json!(value))).collect()
}

/// The values of the path parameters of a resource.
pub(super) fn path_parameters(resource: &str, path: &str) -> BTreeMap<String, String> {
    let mut rest = path.strip_prefix('/').unwrap_or(path);
    let mut parameters = BTreeMap::new();
    for pattern in resource.trim_start_matches('/').split('/') {
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(name) = pattern.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            match name.strip_suffix('+') {
                Some(greedy) => parameters.insert(greedy.to_owned(), rest.to_owned()),
                None => parameters.insert(name.to_owned(), segment.to_owned()),
            };
        }
        rest = after;
    }
    parameters
}

/// Restores the usual case of a header name, as hyper reads names in lower case.
pub(super) fn title_case(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// The id of the API.
pub(crate) const API_ID: &str = "local";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorizer_is_told_the_path_as_it_was_sent() {
        let rows = [
            ("us-east-1", "/", "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/"),
            ("us-east-1", "/a", "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/a"),
            ("us-east-1", "/a/", "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/a/"),
            ("us-east-1", "//a", "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET//a"),
            (
                "us-east-1",
                "/%61//",
                "arn:aws:execute-api:us-east-1:000000000000:local/v1/GET/%61//",
            ),
            ("cn-north-1", "/a", "arn:aws-cn:execute-api:cn-north-1:000000000000:local/v1/GET/a"),
        ];
        for (region, path, arn) in rows {
            let request = ApiRequest {
                id: Uuid::nil(),
                method: Method::GET,
                path: path.into(),
                query: String::new(),
                headers: HeaderMap::new(),
                body: Bytes::new(),
                source: IpAddr::from([127, 0, 0, 1]),
                region: region.into(),
                stage: "v1".into(),
                resource: "/{proxy+}".into(),
            };
            let event = request.authorizer_event();
            let told = [&event["methodArn"], &event["path"], &event["requestContext"]["path"]];
            assert_eq!(told, [arn, path, &format!("/v1{path}")], "{path}");
        }
    }
}
