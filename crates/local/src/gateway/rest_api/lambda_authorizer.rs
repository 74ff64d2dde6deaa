//! The Lambda authorizers of REST APIs.

use std::time::Duration;

use fancy_regex::Regex;
use serde_json::Value;

use crate::{
    gateway::properties::{DEFAULT_TTL, either, function_name, member, missing, ttl, unsupported},
    template::{TemplateError, text},
};

/// A Lambda authorizer.
#[derive(Debug, Clone)]
pub(in crate::gateway) struct LambdaAuthorizer {
    pub(in crate::gateway) function: String,
    /// The identity sources: names of headers. Their values are the key of the policy cache.
    pub(in crate::gateway) headers: Vec<String>,
    /// Set if the type is TOKEN: the event then has the value of the one header instead of the request.
    pub(in crate::gateway) token: Option<TokenSource>,
    /// How long policies are cached. Zero disables the cache.
    pub(in crate::gateway) ttl: Duration,
}

/// The identity source of a TOKEN authorizer.
#[derive(Debug, Clone)]
pub(in crate::gateway) struct TokenSource {
    /// Tokens that it does not match are refused without an invocation.
    pattern: Option<Regex>,
}

impl TokenSource {
    /// Whether the token matches the expression, if there is one.
    pub(in crate::gateway) fn accepts(&self, token: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(token).unwrap_or(false))
    }
}

impl LambdaAuthorizer {
    /// Reads an authorizer of the SAM specification (`ApiAuth` in the SAM developer guide).
    pub(super) fn of_sam(authorizer: &Value) -> Result<Self, TemplateError> {
        let identity = authorizer.get("Identity").unwrap_or(&Value::Null);
        let name = "ReauthorizeEvery";
        let ttl = ttl(identity.get(name), name)?.unwrap_or(DEFAULT_TTL);
        let function = function_name(&text(member(authorizer, "FunctionArn")?))?;
        match authorizer.get("FunctionPayloadType").and_then(Value::as_str) {
            Some("REQUEST") => Self::of_request(function, request_sources(identity)?, ttl),
            // The default of SAM.
            Some("TOKEN") | None => {
                let header = identity.get("Header").map_or("Authorization".into(), text);
                Self::of_token(function, header, identity.get("ValidationExpression"), ttl)
            }
            Some(kind) => Err(unsupported(&format!("FunctionPayloadType {kind}"))),
        }
    }

    /// Reads the properties of `AWS::ApiGateway::Authorizer`, or the extension `x-amazon-apigateway-authorizer` of
    /// OpenAPI, where the security scheme has the name of the header.
    pub(super) fn of_api_gateway(
        authorizer: &Value,
        header: Option<&str>,
    ) -> Result<Self, TemplateError> {
        let property = |name| either(authorizer, name);
        let uri = property("AuthorizerUri").ok_or_else(|| missing("AuthorizerUri"))?;
        let function = function_name(&text(uri))?;
        let name = "AuthorizerResultTtlInSeconds";
        let ttl = ttl(property(name), name)?.unwrap_or(DEFAULT_TTL);
        let sources = property("IdentitySource").map(text).unwrap_or_default();
        let sources = sources.split(',').map(str::trim).filter(|source| !source.is_empty());
        let headers = sources.map(|source| {
            let header = source.strip_prefix("method.request.header.").map(str::to_owned);
            header.ok_or_else(|| unsupported(&format!("identity source {source}")))
        });
        let headers = headers.collect::<Result<Vec<_>, _>>()?;
        match &*text(property("Type").unwrap_or(&Value::Null)).to_ascii_uppercase() {
            "REQUEST" => Self::of_request(function, headers, ttl),
            "TOKEN" => {
                let own = headers.into_iter().next().or(header.map(str::to_owned));
                let header = own.ok_or_else(|| missing("IdentitySource"))?;
                Self::of_token(function, header, property("IdentityValidationExpression"), ttl)
            }
            kind => Err(unsupported(&format!("an authorizer of the type {kind}"))),
        }
    }

    fn of_request(
        function: String,
        headers: Vec<String>,
        ttl: Duration,
    ) -> Result<Self, TemplateError> {
        if headers.is_empty() && !ttl.is_zero() {
            let problem = "a cached authorizer needs an identity source";
            return Err(TemplateError(problem.into()));
        }
        Ok(Self { function, headers, token: None, ttl })
    }

    fn of_token(
        function: String,
        header: String,
        pattern: Option<&Value>,
        ttl: Duration,
    ) -> Result<Self, TemplateError> {
        let pattern = pattern.map(|pattern| whole(&text(pattern))).transpose()?;
        Ok(Self { function, headers: vec![header], token: Some(TokenSource { pattern }), ttl })
    }
}

/// The headers that are the identity sources of a REQUEST authorizer.
fn request_sources(identity: &Value) -> Result<Vec<String>, TemplateError> {
    let unsupported = ["QueryStrings", "StageVariables", "Context"];
    if unsupported.iter().any(|source| identity.get(source).is_some()) {
        return Err(TemplateError(
            "only headers are supported as identity sources on this machine".into(),
        ));
    }
    let headers = identity.get("Headers").and_then(Value::as_array);
    Ok(headers.into_iter().flatten().map(text).collect())
}

/// A regular expression that must match the whole token.
fn whole(pattern: &str) -> Result<Regex, TemplateError> {
    Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| {
        TemplateError(format!("ValidationExpression {pattern} cannot be evaluated: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn authorizers_are_of_the_types_request_and_token() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let read = |kind: Value, identity: Value| {
            LambdaAuthorizer::of_sam(&json!({
                "FunctionArn": arn, "FunctionPayloadType": kind, "Identity": identity,
            }))
        };
        let rows = [
            (
                "a request",
                json!("REQUEST"),
                json!({"Headers": ["X-A", "X-B"]}),
                Some(vec!["X-A", "X-B"]),
            ),
            (
                "a request without a source",
                json!("REQUEST"),
                json!({"ReauthorizeEvery": 0}),
                Some(vec![]),
            ),
            (
                "a request without a source, whose time is a part of a parameter",
                json!("REQUEST"),
                json!({"ReauthorizeEvery": "0"}),
                Some(vec![]),
            ),
            ("a time that is a text", json!("TOKEN"), json!({"ReauthorizeEvery": "1m"}), None),
            ("a cached request without a source", json!("REQUEST"), json!({}), None),
            ("a query parameter", json!("REQUEST"), json!({"QueryStrings": ["q"]}), None),
            ("a token", json!("TOKEN"), json!({"Header": "X-A"}), Some(vec!["X-A"])),
            (
                "a token in the default header",
                json!("TOKEN"),
                json!({}),
                Some(vec!["Authorization"]),
            ),
            ("the default type", json!(null), json!({}), Some(vec!["Authorization"])),
            ("a malformed expression", json!("TOKEN"), json!({"ValidationExpression": "("}), None),
            ("another type", json!("COGNITO"), json!({}), None),
        ];
        for (name, kind, identity, expected) in rows {
            let is_token = kind != json!("REQUEST");
            let authorizer = read(kind, identity).ok();
            if let Some(authorizer) = &authorizer {
                assert_eq!(authorizer.token.is_some(), is_token, "{name}");
            }
            let headers = authorizer.map(|authorizer| authorizer.headers);
            let expected =
                expected.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(headers, expected, "{name}");
        }
        let pattern = json!({"ValidationExpression": "^Bearer [a-z]+"});
        let source = read(json!("TOKEN"), pattern).unwrap().token.unwrap();
        let rows =
            [("Bearer abc", true), ("Bearer abc1", false), ("bearer abc", false), ("", false)];
        for (token, expected) in rows {
            assert_eq!(source.accepts(token), expected, "{token}");
        }
    }
}
