use std::{fmt, str::FromStr};

use kms::Headers;
use serde::Deserialize;

/// What API Gateway asks: the members of a REST `REQUEST` event that decide anything.
///
/// Members that decide nothing may be missing, null or of any type.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The deployment that the request is for. The policy is over all of it.
    pub stage: Stage,
    /// Every value of every `Authorization` header.
    pub authorization: Vec<String>,
}

impl FromStr for Request {
    type Err = MalformedEvent;

    fn from_str(event: &str) -> Result<Self, Self::Err> {
        let event: Wire = serde_json::from_str(event).map_err(|_| MalformedEvent::Unreadable)?;
        if event.kind.as_deref() != Some("REQUEST") {
            return Err(MalformedEvent::Kind);
        }
        let stage = event.method_arn.as_deref().ok_or(MalformedEvent::Arn)?.parse()?;
        Ok(Self { stage, authorization: event.authorization() })
    }
}

/// The event as API Gateway writes it. Every other member is passed over unread: their names are
/// the client's, and so is what stands in them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "type")]
    kind: Option<String>,
    method_arn: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    multi_value_headers: Headers,
}

impl Wire {
    /// `multiValueHeaders` has every value, and `headers` the last of each name. What stands in one
    /// alone counts all the same, so that no way of writing a second header hides it.
    fn authorization(&self) -> Vec<String> {
        let several = self.multi_value_headers.values("authorization");
        let mut values: Vec<String> = several.map(str::to_owned).collect();
        for value in self.headers.values("authorization") {
            if !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
        }
        values
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// The event is not one that API Gateway sends, or not one for this function. Not the client's
/// fault, so not a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// Not a JSON object, or one whose `type` or `methodArn` is no string.
    #[error("the event cannot be read")]
    Unreadable,
    /// `type` is another than `REQUEST`.
    #[error("the event is not of type REQUEST")]
    Kind,
    /// `methodArn` is missing or not the ARN of a method.
    #[error("the event has no valid methodArn")]
    Arn,
}

/// The ARN of a stage of an API, with no method and no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage(String);

impl FromStr for Stage {
    type Err = MalformedEvent;

    /// Reads the stage out of a method's ARN:
    /// `arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request`.
    fn from_str(arn: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", partition, "execute-api", region, account, method] = &*parts else {
            return Err(MalformedEvent::Arn);
        };
        let mut path = method.splitn(3, '/');
        let (Some(api), Some(stage), Some(_)) = (path.next(), path.next(), path.next()) else {
            return Err(MalformedEvent::Arn);
        };
        let names = [partition, region, account, api, stage];
        // A wildcard in one of these would widen the policy beyond the stage.
        if names.iter().any(|name| name.is_empty() || name.contains(['*', '?'])) {
            return Err(MalformedEvent::Arn);
        }
        Ok(Self(format!("arn:{partition}:execute-api:{region}:{account}:{api}/{stage}")))
    }
}

impl Stage {
    /// Every method and path of the stage, as an IAM resource.
    #[must_use]
    pub fn everything(&self) -> String {
        format!("{}/*/*", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request";

    #[test]
    fn stages() {
        let stage = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test";
        let rows = [
            ("a method", ARN.to_owned(), Some(stage)),
            ("the root", format!("{stage}/GET/"), Some(stage)),
            ("a path with every trap in it", format!("{stage}/GET/a:b/../*/%2A/?x"), Some(stage)),
            (
                "another partition",
                "arn:aws-cn:execute-api:cn-north-1:1:a/$default/GET/x".into(),
                Some("arn:aws-cn:execute-api:cn-north-1:1:a/$default"),
            ),
            ("no method", stage.into(), None),
            ("no stage", "arn:aws:execute-api:us-east-1:1:a".into(), None),
            ("an empty stage", "arn:aws:execute-api:us-east-1:1:a//GET/x".into(), None),
            (
                "a stage that is a wildcard",
                "arn:aws:execute-api:us-east-1:1:a/*/GET/x".into(),
                None,
            ),
            ("another service", "arn:aws:lambda:us-east-1:1:a/test/GET/x".into(), None),
            ("empty", String::new(), None),
        ];
        for (name, arn, expected) in rows {
            let expected = expected.map(|stage| Stage(stage.into())).ok_or(MalformedEvent::Arn);
            assert_eq!(arn.parse::<Stage>(), expected, "{name}");
        }
    }

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
            ("headers that are none", json!({"headers": 7, "multiValueHeaders": ["a"]}), vec![]),
            ("of another name", json!({"headers": {"X-Authorization": "a"}}), vec![]),
        ];
        for (name, mut event, expected) in rows {
            event["type"] = "REQUEST".into();
            event["methodArn"] = ARN.into();
            let request: Request = event.to_string().parse().unwrap();
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
            assert_eq!(event.parse::<Request>(), Err(expected), "{name}");
        }
    }
}
