//! HTTP proxy integrations as the template defines them.

use hyper::{Method, Uri, header::HeaderName};
use serde_json::{Map, Value};

use crate::{
    gateway::properties::{member, missing, unsupported},
    template::{TemplateError, text},
};

/// An HTTP proxy integration.
#[derive(Debug, Clone)]
pub(super) struct HttpProxy {
    pub(super) uri: Uri,
    /// The method of requests to the backend, or `None` for that of the client.
    pub(super) method: Option<Method>,
    /// The headers that replace those of the client.
    pub(super) overwritten: Vec<(HeaderName, ValueTemplate)>,
}

/// A value with references to members of `$context.authorizer`: text, then pairs of a member and more text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueTemplate {
    start: String,
    rest: Vec<(String, String)>,
}

impl HttpProxy {
    /// Reads the properties of an integration after the evaluation of intrinsic functions.
    pub(super) fn read(properties: &Value) -> Result<Self, TemplateError> {
        let kind = text(member(properties, "IntegrationType")?);
        if kind != "HTTP_PROXY" {
            return Err(unsupported(&format!("IntegrationType {kind} of an HTTP API")));
        }
        let uri = text(member(properties, "IntegrationUri")?);
        let uri: Uri = uri.parse().map_err(|_| missing("IntegrationUri that is a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.path().contains('{') {
            return Err(missing("IntegrationUri with https or http, and without path parameters"));
        }
        let method = match &*text(member(properties, "IntegrationMethod")?) {
            "ANY" => None,
            method => Some(method.parse().map_err(|_| missing("IntegrationMethod"))?),
        };
        let parameters = properties.get("RequestParameters").and_then(Value::as_object);
        let overwritten = parameters.into_iter().flatten().map(|(name, value)| {
            let header = name.strip_prefix("overwrite:header.").and_then(|name| name.parse().ok());
            let header = header.ok_or_else(|| unsupported(&format!("request parameter {name}")))?;
            Ok((header, ValueTemplate::parse(&text(value))?))
        });
        Ok(Self { uri, method, overwritten: overwritten.collect::<Result<_, _>>()? })
    }
}

impl ValueTemplate {
    fn parse(value: &str) -> Result<Self, TemplateError> {
        let invalid = || unsupported(&format!("the value {value} of a request parameter"));
        // A value without braces can also be a reference.
        if value.starts_with('$') && !value.starts_with("${") {
            return Err(invalid());
        }
        let Some((start, mut rest)) = value.split_once("${") else {
            return Ok(Self { start: value.to_owned(), rest: Vec::new() });
        };
        let mut references = Vec::new();
        loop {
            let (reference, after) = rest.split_once('}').ok_or_else(invalid)?;
            let name = reference.strip_prefix("context.authorizer.").ok_or_else(invalid)?;
            let (literal, next) = match after.split_once("${") {
                Some((literal, next)) => (literal, Some(next)),
                None => (after, None),
            };
            references.push((name.to_owned(), literal.to_owned()));
            match next {
                Some(next) => rest = next,
                None => return Ok(Self { start: start.to_owned(), rest: references }),
            }
        }
    }

    /// The value. A member that is absent is empty.
    pub(super) fn render(&self, context: &Map<String, Value>) -> String {
        let mut value = self.start.clone();
        for (name, literal) in &self.rest {
            let member = context.get(name).filter(|member| !member.is_null());
            value.extend([&*member.map(text).unwrap_or_default(), literal]);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_to_the_context_are_replaced() {
        let context = json!({"sub": "a", "exp": 7, "none": null});
        let context = context.as_object().unwrap();
        let rows = [
            ("text", Some("text")),
            ("sub=${context.authorizer.sub}", Some("sub=a")),
            ("${context.authorizer.sub}-${context.authorizer.exp}.", Some("a-7.")),
            ("[${context.authorizer.none}${context.authorizer.other}]", Some("[]")),
            ("", Some("")),
            ("$context.authorizer.sub", None),
            ("${context.requestId}", None),
            ("${context.authorizer.sub", None),
        ];
        for (value, expected) in rows {
            let rendered = ValueTemplate::parse(value).ok().map(|value| value.render(context));
            assert_eq!(rendered.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn unsupported_integrations_are_rejected() {
        let good = json!({
            "IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "IntegrationUri": "https://backend.example/a",
            "RequestParameters": {"overwrite:header.x-a": "b"},
        });
        assert!(HttpProxy::read(&good).is_ok());
        let rows = [
            ("a function", "IntegrationType", json!("AWS_PROXY")),
            ("a file", "IntegrationUri", json!("file:///etc/passwd")),
            ("a path parameter", "IntegrationUri", json!("https://backend.example/{proxy}")),
            ("no URL", "IntegrationUri", json!("backend")),
            ("a query parameter", "RequestParameters", json!({"append:querystring.a": "b"})),
        ];
        for (name, property, value) in rows {
            let mut properties = good.clone();
            properties[property] = value;
            assert!(HttpProxy::read(&properties).is_err(), "{name}");
        }
    }
}
