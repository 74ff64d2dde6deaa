//! The HTTP API that a template defines: `AWS::ApiGatewayV2::Api` and the resources that belong to it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::integration::HttpProxy;
use crate::{
    gateway::{
        properties::{DEFAULT_TTL, function_name, member, missing, ttl, unsupported},
        route_priority::rank,
    },
    template::{Resolver, Template, TemplateError, text},
};

/// A stage of an HTTP API.
#[derive(Debug, Clone)]
pub(super) struct HttpApiDefinition {
    pub(super) stage: String,
    pub(super) routes: Vec<HttpRoute>,
}

/// A route.
#[derive(Debug, Clone)]
pub(super) struct HttpRoute {
    /// The route key, for example `GET /orders/{id}` or `$default`.
    pub(super) key: String,
    pub(super) authorizer: Option<HttpAuthorizer>,
    pub(super) integration: HttpProxy,
}

/// A Lambda authorizer of an HTTP API.
#[derive(Debug, Clone)]
pub(super) struct HttpAuthorizer {
    pub(super) function: String,
    pub(super) format: PayloadFormat,
    /// Whether the function returns `isAuthorized` instead of a policy.
    pub(super) is_simple: bool,
    pub(super) sources: Vec<IdentitySource>,
    /// How long outputs are cached. Zero disables the cache.
    pub(super) ttl: Duration,
}

/// The format of the events of an authorizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadFormat {
    V1,
    V2,
}

/// An identity source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdentitySource {
    Header(String),
    QueryParameter(String),
    RouteKey,
}

impl HttpApiDefinition {
    /// Reads the one HTTP API of a template.
    pub(super) fn read(template: &Template, resolver: &Resolver) -> Result<Self, TemplateError> {
        let resources = |kind: &str| template.active_properties(kind, resolver);
        let mut authorizers = BTreeMap::new();
        for (id, properties) in resources("AWS::ApiGatewayV2::Authorizer")? {
            authorizers.insert(id, HttpAuthorizer::read(&properties)?);
        }
        let integrations = resources("AWS::ApiGatewayV2::Integration")?;
        let mut routes = Vec::new();
        for (id, properties) in resources("AWS::ApiGatewayV2::Route")? {
            let kind = properties.get("AuthorizationType").and_then(Value::as_str);
            let authorizer = match kind {
                None | Some("NONE") => None,
                Some("CUSTOM") => {
                    let own = authorizers.get(&text(member(&properties, "AuthorizerId")?));
                    Some(own.cloned().ok_or_else(|| missing("authorizer"))?)
                }
                Some(kind) => return Err(unsupported(&format!("AuthorizationType {kind}"))),
            };
            let target = text(member(&properties, "Target")?);
            let target = target.strip_prefix("integrations/").unwrap_or_default();
            let integration = integrations.get(target);
            let integration =
                integration.ok_or_else(|| missing(&format!("integration of {id}")))?;
            routes.push(HttpRoute {
                key: text(member(&properties, "RouteKey")?),
                authorizer,
                integration: HttpProxy::read(integration)?,
            });
        }
        let stages = resources("AWS::ApiGatewayV2::Stage")?;
        let stage = stages.values().next().ok_or_else(|| missing("stage"))?;
        Ok(Self { stage: text(member(stage, "StageName")?), routes })
    }

    /// Selects the route for a path: a literal segment has priority over a path parameter, a path parameter over a
    /// greedy one, the method over ANY, and `$default` is the last.
    pub(super) fn route(&self, method: &str, path: &str) -> Option<&HttpRoute> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let matching = self.routes.iter().filter_map(|route| {
            let (own, resource) = route.key.split_once(' ')?;
            let is_any = own == "ANY";
            (is_any || own == method).then_some(((rank(resource, path)?, is_any), route))
        });
        let best = matching.min_by(|(first, _), (second, _)| first.cmp(second));
        let default = || self.routes.iter().find(|route| route.key == "$default");
        best.map(|(_, route)| route).or_else(default)
    }
}

impl HttpRoute {
    /// The path of the route with its path parameters. `$default` has none.
    pub(super) fn resource(&self) -> &str {
        self.key.split_once(' ').map_or(&*self.key, |(_, resource)| resource)
    }
}

impl HttpAuthorizer {
    fn read(properties: &Value) -> Result<Self, TemplateError> {
        let kind = text(member(properties, "AuthorizerType")?);
        if kind != "REQUEST" {
            return Err(unsupported(&format!("AuthorizerType {kind}")));
        }
        let format = match &*text(member(properties, "AuthorizerPayloadFormatVersion")?) {
            "1.0" => PayloadFormat::V1,
            "2.0" => PayloadFormat::V2,
            _ => return Err(missing("AuthorizerPayloadFormatVersion 1.0 or 2.0")),
        };
        let is_simple = properties.get("EnableSimpleResponses") == Some(&Value::Bool(true));
        if is_simple && format == PayloadFormat::V1 {
            let problem = "EnableSimpleResponses needs AuthorizerPayloadFormatVersion 2.0";
            return Err(TemplateError(problem.into()));
        }
        let sources = properties.get("IdentitySource").and_then(Value::as_array);
        let sources =
            sources.into_iter().flatten().map(|source| IdentitySource::read(&text(source)));
        let sources: Vec<_> = sources.collect::<Result<_, _>>()?;
        let name = "AuthorizerResultTtlInSeconds";
        let default = if sources.is_empty() { Duration::ZERO } else { DEFAULT_TTL };
        let ttl = ttl(properties.get(name), name)?.unwrap_or(default);
        if sources.is_empty() && !ttl.is_zero() {
            let problem = "a cached authorizer needs an identity source";
            return Err(TemplateError(problem.into()));
        }
        let function = function_name(&text(member(properties, "AuthorizerUri")?))?;
        Ok(Self { function, format, is_simple, sources, ttl })
    }
}

impl IdentitySource {
    /// The name of the header or query parameter.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Header(name) | Self::QueryParameter(name) => name,
            Self::RouteKey => "$context.routeKey",
        }
    }

    fn read(expression: &str) -> Result<Self, TemplateError> {
        if let Some(name) = expression.strip_prefix("$request.header.") {
            return Ok(Self::Header(name.to_ascii_lowercase()));
        }
        if let Some(name) = expression.strip_prefix("$request.querystring.") {
            return Ok(Self::QueryParameter(name.to_owned()));
        }
        match expression {
            "$context.routeKey" => Ok(Self::RouteKey),
            _ => Err(unsupported(&format!("identity source {expression}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
Resources:
  Api: {Type: 'AWS::ApiGatewayV2::Api', Properties: {ProtocolType: HTTP}}
  Bearer:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      AuthorizerType: REQUEST
      AuthorizerUri: arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations
      AuthorizerPayloadFormatVersion: '2.0'
      EnableSimpleResponses: true
      IdentitySource: [$request.header.Authorization, $request.querystring.q, $context.routeKey]
      AuthorizerResultTtlInSeconds: 60
  Backend:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {IntegrationType: HTTP_PROXY, IntegrationMethod: ANY, IntegrationUri: 'http://127.0.0.1:1'}
  Stage: {Type: 'AWS::ApiGatewayV2::Stage', Properties: {StageName: $default}}
";

    fn read(changes: &[(&str, &str)], keys: &[&str]) -> Result<HttpApiDefinition, TemplateError> {
        let route = |(number, key): (usize, &&str)| {
            format!(
                "  Route{number}: {{Type: 'AWS::ApiGatewayV2::Route', Properties: {{RouteKey: '{key}', \
                 AuthorizationType: CUSTOM, AuthorizerId: Bearer, Target: integrations/Backend}}}}\n"
            )
        };
        let routes: Vec<_> = keys.iter().enumerate().map(route).collect();
        let mut text = TEMPLATE.to_owned() + &routes.concat();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let template = Template::parse(&text).unwrap();
        HttpApiDefinition::read(
            &template,
            &template.resolver("us-east-1", &BTreeMap::new()).unwrap(),
        )
    }

    #[test]
    fn routes_are_selected_by_priority() {
        let keys = ["GET /a", "ANY /a", "GET /a/{id}", "GET /a/b", "GET /p/{proxy+}", "$default"];
        let api = read(&[], &keys).unwrap();
        let rows = [
            ("GET", "/a", "GET /a"),
            ("POST", "/a", "ANY /a"),
            ("GET", "/a/b", "GET /a/b"),
            ("GET", "/a/x", "GET /a/{id}"),
            ("POST", "/a/x", "$default"),
            ("GET", "/p/x/y", "GET /p/{proxy+}"),
            ("GET", "/a/", "$default"),
            ("GET", "//a", "$default"),
            ("GET", "/", "$default"),
        ];
        for (method, path, expected) in rows {
            let route = api.route(method, path).map(|route| &*route.key);
            assert_eq!(route, Some(expected), "{method} {path}");
        }
        let api = read(&[], &keys[..5]).unwrap();
        assert!(api.route("GET", "/").is_none());
    }

    #[test]
    fn the_authorizer_is_read() {
        let api = read(&[], &["GET /a"]).unwrap();
        let authorizer = api.routes[0].authorizer.clone().unwrap();
        let sources = [
            IdentitySource::Header("authorization".into()),
            IdentitySource::QueryParameter("q".into()),
            IdentitySource::RouteKey,
        ];
        assert_eq!((&*authorizer.function, authorizer.sources.as_slice()), ("f", &sources[..]));
        assert!(authorizer.is_simple && authorizer.format == PayloadFormat::V2);
        assert_eq!(authorizer.ttl, Duration::from_mins(1));
        let rows = [
            ("a native authorizer", "AuthorizerType: REQUEST", "AuthorizerType: JWT"),
            ("another format", "'2.0'", "'3.0'"),
            ("a simple response in format 1.0", "'2.0'", "'1.0'"),
            ("an unknown source", "$context.routeKey", "$context.stage"),
            ("IAM", "AuthorizationType: CUSTOM", "AuthorizationType: AWS_IAM"),
            ("no authorizer", "AuthorizerId: Bearer", "AuthorizerId: Other"),
            ("no integration", "integrations/Backend", "integrations/Other"),
            (
                "a cache without a source",
                "[$request.header.Authorization, $request.querystring.q, $context.routeKey]",
                "[]",
            ),
        ];
        for (name, from, to) in rows {
            assert!(read(&[(from, to)], &["GET /a"]).is_err(), "{name}");
        }
    }
}
