//! REST APIs of the resource type `AWS::ApiGateway::RestApi`, with a `Body` or with a resource for each path and method.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    definition::{ApiDefinition, ApiRoute, CustomResponse, MethodAuthorization},
    integration::Integration,
    lambda_authorizer::LambdaAuthorizer,
};
use crate::{
    gateway::properties::{member, missing, unsupported},
    template::{Resolver, Template, TemplateError, text},
};

impl ApiDefinition {
    /// Reads the one REST API of a template.
    pub(super) fn of_template(
        template: &Template,
        resolver: &Resolver,
    ) -> Result<Self, TemplateError> {
        let resources = |kind: &str| template.active_properties(kind, resolver);
        let apis = resources("AWS::ApiGateway::RestApi")?;
        let api = match apis.values().collect::<Vec<_>>()[..] {
            [api] => api,
            [] => return Err(missing("AWS::ApiGateway::RestApi")),
            _ => return Err(unsupported("more than one AWS::ApiGateway::RestApi")),
        };
        if api.get("BodyS3Location").is_some() {
            return Err(unsupported("BodyS3Location"));
        }
        let (stages, deployments) =
            (resources("AWS::ApiGateway::Stage")?, resources("AWS::ApiGateway::Deployment")?);
        let mut stages = stages.values().chain(deployments.values());
        let stage = stages.find_map(|stage| stage.get("StageName")).map(text);
        let stage = stage.ok_or_else(|| missing("stage"))?;
        let mut definition = match api.get("Body") {
            Some(body) => Self::of_body(body, stage)?,
            None => Self { stage, routes: Vec::new(), responses: BTreeMap::new() },
        };
        let methods = Methods {
            resources: resources("AWS::ApiGateway::Resource")?,
            authorizers: resources("AWS::ApiGateway::Authorizer")?,
        };
        for properties in resources("AWS::ApiGateway::Method")?.values() {
            definition.routes.push(methods.route(properties)?);
        }
        for properties in resources("AWS::ApiGateway::GatewayResponse")?.values() {
            let name = text(member(properties, "ResponseType")?);
            definition.responses.insert(name, CustomResponse::of_api_gateway(properties));
        }
        if definition.routes.is_empty() {
            return Err(missing("method"));
        }
        Ok(definition)
    }
}

/// The resources and authorizers that methods refer to, by logical id.
struct Methods {
    resources: BTreeMap<String, Value>,
    authorizers: BTreeMap<String, Value>,
}

impl Methods {
    fn route(&self, properties: &Value) -> Result<ApiRoute, TemplateError> {
        let kind = properties.get("AuthorizationType").map_or("NONE".into(), text);
        let authorization = match &*kind {
            "NONE" => MethodAuthorization::Open,
            "AWS_IAM" => MethodAuthorization::Iam,
            "CUSTOM" => {
                let own = self.authorizers.get(&text(member(properties, "AuthorizerId")?));
                let own = own.ok_or_else(|| missing("authorizer"))?;
                MethodAuthorization::Lambda(LambdaAuthorizer::of_api_gateway(own, None)?)
            }
            kind => return Err(unsupported(&format!("AuthorizationType {kind}"))),
        };
        if properties.get("ApiKeyRequired").map(text).as_deref() == Some("true") {
            return Err(unsupported("ApiKeyRequired"));
        }
        Ok(ApiRoute {
            method: text(member(properties, "HttpMethod")?).to_ascii_uppercase(),
            resource: self.path(&text(member(properties, "ResourceId")?))?,
            authorization,
            integration: Integration::read(member(properties, "Integration")?)?,
        })
    }

    /// The path of a resource.
    fn path(&self, id: &str) -> Result<String, TemplateError> {
        let (mut id, mut parts) = (id.to_owned(), Vec::new());
        while id != ROOT_RESOURCE {
            let resource = self.resources.get(&id).ok_or_else(|| missing("resource"))?;
            parts.insert(0, text(member(resource, "PathPart")?));
            id = text(member(resource, "ParentId")?);
            if parts.len() > self.resources.len() {
                return Err(TemplateError("a resource is its own parent".into()));
            }
        }
        Ok(format!("/{}", parts.join("/")))
    }
}

/// The value of the attribute `RootResourceId` of an API.
pub(crate) const ROOT_RESOURCE: &str = "/";

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
Resources:
  Api: {Type: 'AWS::ApiGateway::RestApi', Properties: {Name: a}}
  Bearer:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      Type: REQUEST
      AuthorizerUri: arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations
      IdentitySource: method.request.header.Authorization, method.request.header.X-Tenant
      AuthorizerResultTtlInSeconds: 60
  Unauthorized:
    Type: AWS::ApiGateway::GatewayResponse
    Properties: {ResponseType: UNAUTHORIZED, StatusCode: '401', ResponseParameters: {gatewayresponse.header.X-A: \"'b'\"}}
  Orders: {Type: 'AWS::ApiGateway::Resource', Properties: {ParentId: !GetAtt Api.RootResourceId, PathPart: orders}}
  Order: {Type: 'AWS::ApiGateway::Resource', Properties: {ParentId: !Ref Orders, PathPart: '{id}'}}
  GetOrder:
    Type: AWS::ApiGateway::Method
    Properties:
      ResourceId: !Ref Order
      HttpMethod: GET
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Bearer
      Integration: {Type: MOCK, IntegrationResponses: [{StatusCode: '200', ResponseTemplates: {application/json: '{}'}}]}
  GetRoot:
    Type: AWS::ApiGateway::Method
    Properties:
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: ANY
      AuthorizationType: AWS_IAM
      Integration: {Type: AWS_PROXY, Uri: 'arn:aws:lambda:us-east-1:000000000000:function:g'}
  Stage: {Type: 'AWS::ApiGateway::Stage', Properties: {StageName: v1}}
";
    const BODY: &str = "
Resources:
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Body:
        securityDefinitions:
          Bearer:
            type: apiKey
            in: header
            name: X-Token
            x-amazon-apigateway-authorizer:
              type: token
              authorizerUri: arn:aws:lambda:us-east-1:000000000000:function:f
              identityValidationExpression: a+
        x-amazon-apigateway-gateway-responses:
          ACCESS_DENIED: {statusCode: 404}
        paths:
          /orders:
            get:
              security: [{Bearer: []}]
              x-amazon-apigateway-integration:
                type: mock
                responses: {default: {statusCode: '200'}}
            x-amazon-apigateway-any-method:
              x-amazon-apigateway-integration:
                type: aws_proxy
                uri: arn:aws:lambda:us-east-1:000000000000:function:g
  Deployment: {Type: 'AWS::ApiGateway::Deployment', Properties: {StageName: v2}}
";

    fn read(text: &str) -> Result<ApiDefinition, TemplateError> {
        let template = Template::parse(text).unwrap();
        let mut resolver = template.resolver("us-east-1", &BTreeMap::new()).unwrap();
        for (id, _) in template.section("Resources") {
            resolver.define(id, id.into());
        }
        resolver.define_attribute("Api", "RootResourceId", ROOT_RESOURCE);
        ApiDefinition::of_template(&template, &resolver)
    }

    #[test]
    fn apis_with_a_resource_for_each_method_are_read() {
        let api = read(TEMPLATE).unwrap();
        assert_eq!(api.stage, "v1");
        let described: Vec<_> = api.routes.iter().map(ApiRoute::describe).collect();
        assert_eq!(described, ["GET /orders/{id} (f)", "ANY / (AWS_IAM)"]);
        let MethodAuthorization::Lambda(authorizer) = &api.routes[0].authorization else {
            panic!()
        };
        assert_eq!(authorizer.headers, ["Authorization", "X-Tenant"]);
        assert_eq!((authorizer.ttl.as_secs(), authorizer.token.is_some()), (60, false));
        let response = &api.responses["UNAUTHORIZED"];
        assert_eq!((response.status, response.headers.len()), (Some(401), 1));
        let rows = [
            ("another integration", "Type: AWS_PROXY", "Type: HTTP_PROXY"),
            ("Cognito", "AuthorizationType: CUSTOM", "AuthorizationType: COGNITO_USER_POOLS"),
            ("no authorizer", "AuthorizerId: !Ref Bearer", "AuthorizerId: Other"),
            ("an authorizer of another type", "Type: REQUEST", "Type: COGNITO_USER_POOLS"),
            ("an unknown source", "method.request.header.X-Tenant", "method.request.querystring.q"),
            ("an unknown parent", "ParentId: !Ref Orders", "ParentId: Other"),
            ("a loop", "ParentId: !GetAtt Api.RootResourceId", "ParentId: !Ref Order"),
            ("no stage", "StageName: v1", "Name: v1"),
            ("a definition in S3", "{Name: a}", "{BodyS3Location: {Bucket: b}}"),
            ("API keys", "HttpMethod: GET", "HttpMethod: GET\n      ApiKeyRequired: true"),
        ];
        for (name, from, to) in rows {
            assert!(TEMPLATE.contains(from), "{name}");
            assert!(read(&TEMPLATE.replace(from, to)).is_err(), "{name}");
        }
    }

    #[test]
    fn apis_with_a_body_are_read() {
        let api = read(BODY).unwrap();
        assert_eq!(api.stage, "v2");
        let described: Vec<_> = api.routes.iter().map(ApiRoute::describe).collect();
        assert_eq!(described, ["GET /orders (f)", "ANY /orders (open)"]);
        let MethodAuthorization::Lambda(authorizer) = &api.routes[0].authorization else {
            panic!()
        };
        assert_eq!(authorizer.headers, ["X-Token"]);
        let source = authorizer.token.as_ref().unwrap();
        assert!(source.accepts("aa") && !source.accepts("b"));
        assert_eq!(api.responses["ACCESS_DENIED"].status, Some(404));
        let security =
            BODY.replace("        paths:", "        security: [{Bearer: []}]\n        paths:");
        assert!(read(&security).unwrap_err().to_string().contains("security of all operations"));
    }
}
