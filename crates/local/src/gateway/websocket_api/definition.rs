//! The WebSocket API that a template defines: `AWS::ApiGatewayV2::Api` and the resources that belong to it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    gateway::properties::{function_name, member, missing, unsupported},
    template::{Resolver, Template, TemplateError, text},
};

/// A stage of a WebSocket API.
#[derive(Debug, Clone)]
pub(super) struct WebSocketApiDefinition {
    pub(super) stage: String,
    /// The route keys.
    pub(super) routes: BTreeSet<String>,
    /// The authorizer of `$connect`.
    pub(super) authorizer: Option<WebSocketAuthorizer>,
    /// The member of a message that selects its route.
    selector: String,
}

/// A Lambda authorizer of a WebSocket API. It is never cached.
#[derive(Debug, Clone)]
pub(super) struct WebSocketAuthorizer {
    pub(super) function: String,
    pub(super) sources: Vec<ConnectSource>,
}

/// An identity source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConnectSource {
    Header(String),
    QueryParameter(String),
}

impl WebSocketApiDefinition {
    /// Reads the one WebSocket API of a template.
    pub(super) fn read(template: &Template, resolver: &Resolver) -> Result<Self, TemplateError> {
        let resources = |kind: &str| template.active_properties(kind, resolver);
        let apis = resources("AWS::ApiGatewayV2::Api")?;
        let api = apis.values().next().ok_or_else(|| missing("AWS::ApiGatewayV2::Api"))?;
        let expression = text(member(api, "RouteSelectionExpression")?);
        let selector = expression.strip_prefix("$request.body.");
        let selector = selector.ok_or_else(|| unsupported(&expression))?.to_owned();
        for integration in resources("AWS::ApiGatewayV2::Integration")?.values() {
            let kind = text(member(integration, "IntegrationType")?);
            if kind != "MOCK" {
                return Err(unsupported(&format!("IntegrationType {kind} of a WebSocket API")));
            }
        }
        let authorizers = resources("AWS::ApiGatewayV2::Authorizer")?;
        let (mut routes, mut authorizer) = (BTreeSet::new(), None);
        for properties in resources("AWS::ApiGatewayV2::Route")?.values() {
            let key = text(member(properties, "RouteKey")?);
            match (properties.get("AuthorizationType").and_then(Value::as_str), &*key) {
                (None | Some("NONE"), _) => {}
                (Some("CUSTOM"), "$connect") => {
                    let own = authorizers.get(&text(member(properties, "AuthorizerId")?));
                    let own = own.ok_or_else(|| missing("authorizer"))?;
                    authorizer = Some(WebSocketAuthorizer::read(own)?);
                }
                (Some(kind), _) => {
                    return Err(unsupported(&format!("AuthorizationType {kind} of {key}")));
                }
            }
            routes.insert(key);
        }
        let stages = resources("AWS::ApiGatewayV2::Stage")?;
        let stage = stages.values().next().ok_or_else(|| missing("stage"))?;
        Ok(Self { stage: text(member(stage, "StageName")?), routes, authorizer, selector })
    }

    /// The route of a message: the one that it names, or `$default`.
    pub(super) fn route(&self, message: &[u8]) -> Option<&str> {
        let named = jwt::json::object(message).ok();
        let named = named.and_then(|members| Some(text(members.get(&self.selector)?)));
        // A message cannot select the routes of API Gateway itself.
        let named = named.filter(|name| !name.starts_with('$'));
        let route = named.and_then(|name| self.routes.get(&name));
        route.or_else(|| self.routes.get("$default")).map(String::as_str)
    }
}

impl WebSocketAuthorizer {
    fn read(properties: &Value) -> Result<Self, TemplateError> {
        let sources = properties.get("IdentitySource").and_then(Value::as_array);
        let sources =
            sources.into_iter().flatten().map(|source| ConnectSource::read(&text(source)));
        Ok(Self {
            function: function_name(&text(member(properties, "AuthorizerUri")?))?,
            sources: sources.collect::<Result<_, _>>()?,
        })
    }
}

impl ConnectSource {
    /// The name of the header or query parameter.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Header(name) | Self::QueryParameter(name) => name,
        }
    }

    fn read(expression: &str) -> Result<Self, TemplateError> {
        if let Some(name) = expression.strip_prefix("route.request.header.") {
            return Ok(Self::Header(name.to_ascii_lowercase()));
        }
        let name = expression.strip_prefix("route.request.querystring.");
        let name = name.ok_or_else(|| unsupported(&format!("identity source {expression}")))?;
        Ok(Self::QueryParameter(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn messages_select_a_route() {
        let api = |routes: &[&str]| WebSocketApiDefinition {
            stage: "v1".into(),
            routes: routes.iter().copied().map(str::to_owned).collect(),
            authorizer: None,
            selector: "action".into(),
        };
        let (with_default, without) =
            (api(&["$connect", "$default", "send"]), api(&["$connect", "send"]));
        let rows = [
            (r#"{"action":"send"}"#, Some("send"), Some("send")),
            (r#"{"action":"other"}"#, Some("$default"), None),
            (r#"{"action":"$connect"}"#, Some("$default"), None),
            ("{}", Some("$default"), None),
            ("send", Some("$default"), None),
        ];
        for (message, expected, without_default) in rows {
            assert_eq!(with_default.route(message.as_bytes()), expected, "{message}");
            assert_eq!(without.route(message.as_bytes()), without_default, "{message}");
        }
    }

    #[test]
    fn unsupported_apis_are_rejected() {
        let template = "
Resources:
  Api: {Type: 'AWS::ApiGatewayV2::Api', Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Bearer:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties: {AuthorizerUri: 'arn:aws:lambda:us-east-1:000000000000:function:f', IdentitySource: [route.request.header.Authorization]}
  Nothing: {Type: 'AWS::ApiGatewayV2::Integration', Properties: {IntegrationType: MOCK}}
  Connect: {Type: 'AWS::ApiGatewayV2::Route', Properties: {RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: Bearer}}
  Stage: {Type: 'AWS::ApiGatewayV2::Stage', Properties: {StageName: v1}}
";
        let read = |text: &str| {
            let template = Template::parse(text).unwrap();
            let resolver = template.resolver("us-east-1", &BTreeMap::new()).unwrap();
            WebSocketApiDefinition::read(&template, &resolver)
        };
        let api = read(template).unwrap();
        let authorizer = api.authorizer.unwrap();
        assert_eq!((&*api.stage, &*authorizer.function), ("v1", "f"));
        assert_eq!(authorizer.sources, [ConnectSource::Header("authorization".into())]);
        let rows = [
            ("another expression", "$request.body.action", "$context.routeKey"),
            ("a function", "IntegrationType: MOCK", "IntegrationType: AWS_PROXY"),
            ("IAM", "AuthorizationType: CUSTOM", "AuthorizationType: AWS_IAM"),
            ("an authorizer of a message", "RouteKey: $connect", "RouteKey: send"),
            ("no authorizer", "AuthorizerId: Bearer", "AuthorizerId: Other"),
            ("an unknown source", "route.request.header.Authorization", "context.connectionId"),
        ];
        for (name, from, to) in rows {
            assert!(template.contains(from), "{name}");
            assert!(read(&template.replace(from, to)).is_err(), "{name}");
        }
    }
}
