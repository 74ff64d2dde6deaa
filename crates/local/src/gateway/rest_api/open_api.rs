//! REST APIs with an OpenAPI definition: `AWS::Serverless::Api`, and `AWS::ApiGateway::RestApi` with a `Body`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    definition::{ApiDefinition, ApiRoute, CustomResponse, MethodAuthorization},
    integration::Integration,
    lambda_authorizer::LambdaAuthorizer,
};
use crate::{
    gateway::{
        mapping_template::MappingTemplate,
        properties::{either, member, members, static_value, unsupported},
    },
    template::{TemplateError, text},
};

impl ApiDefinition {
    /// Reads the properties of `AWS::Serverless::Api`.
    pub(super) fn of_sam(properties: &Value) -> Result<Self, TemplateError> {
        let auth = properties.get("Auth").unwrap_or(&Value::Null);
        let mut authorizers = BTreeMap::new();
        for (name, authorizer) in members(auth.get("Authorizers")) {
            authorizers.insert(name.clone(), LambdaAuthorizer::of_sam(authorizer)?);
        }
        let definition = member(properties, "DefinitionBody")?;
        let authorizations = Authorizations {
            default: auth.get("DefaultAuthorizer").and_then(Value::as_str),
            authorizers,
            schemes: schemes(definition),
        };
        let cors =
            properties.get("Cors").map(|cors| authorizations.preflight(auth, cors)).transpose()?;
        let responses = members(properties.get("GatewayResponses"))
            .map(|(name, response)| (name.clone(), CustomResponse::of_sam(response)));
        Ok(Self {
            stage: text(member(properties, "StageName")?),
            routes: routes(definition, &authorizations, cors.as_ref())?,
            responses: responses.collect(),
        })
    }

    /// Reads the `Body` of `AWS::ApiGateway::RestApi`.
    pub(super) fn of_body(definition: &Value, stage: String) -> Result<Self, TemplateError> {
        if definition.get("security").is_some() {
            return Err(unsupported("security of all operations in an OpenAPI definition"));
        }
        let schemes = schemes(definition);
        let mut authorizers = BTreeMap::new();
        for (name, scheme) in members(schemes) {
            if let Some(authorizer) = scheme.get("x-amazon-apigateway-authorizer") {
                let header = scheme.get("name").and_then(Value::as_str);
                let authorizer = LambdaAuthorizer::of_api_gateway(authorizer, header)?;
                authorizers.insert(name.clone(), authorizer);
            }
        }
        let authorizations = Authorizations { default: None, authorizers, schemes };
        let responses = members(definition.get("x-amazon-apigateway-gateway-responses"))
            .map(|(name, response)| (name.clone(), CustomResponse::of_api_gateway(response)));
        Ok(Self {
            stage,
            routes: routes(definition, &authorizations, None)?,
            responses: responses.collect(),
        })
    }
}

/// The security schemes of OpenAPI 3 or Swagger 2.
fn schemes(definition: &Value) -> Option<&Value> {
    let schemes = definition.pointer("/components/securitySchemes");
    schemes.or_else(|| definition.get("securityDefinitions"))
}

/// The methods of all paths. `preflight` is the OPTIONS method of each path that has none.
fn routes(
    definition: &Value,
    authorizations: &Authorizations<'_>,
    preflight: Option<&(MethodAuthorization, Integration)>,
) -> Result<Vec<ApiRoute>, TemplateError> {
    let mut routes = Vec::new();
    for (resource, methods) in members(definition.get("paths")) {
        if let (Some((authorization, integration)), None) = (preflight, methods.get("options")) {
            routes.push(ApiRoute {
                method: "OPTIONS".into(),
                resource: resource.clone(),
                authorization: authorization.clone(),
                integration: integration.clone(),
            });
        }
        for (method, operation) in members(Some(methods)) {
            let integration = member(operation, "x-amazon-apigateway-integration")?;
            let method = match &**method {
                "x-amazon-apigateway-any-method" => "ANY".into(),
                method => method.to_ascii_uppercase(),
            };
            routes.push(ApiRoute {
                method,
                resource: resource.clone(),
                authorization: authorizations.of(operation)?,
                integration: Integration::read(integration)?,
            });
        }
    }
    Ok(routes)
}

/// The authorization types that methods can select.
struct Authorizations<'a> {
    default: Option<&'a str>,
    authorizers: BTreeMap<String, LambdaAuthorizer>,
    schemes: Option<&'a Value>,
}

impl Authorizations<'_> {
    fn of(&self, operation: &Value) -> Result<MethodAuthorization, TemplateError> {
        let required = operation.pointer("/security/0").and_then(Value::as_object);
        let required =
            required.and_then(|requirement| requirement.keys().next()).map(String::as_str);
        let Some(name) = required.or(self.default).filter(|name| *name != "NONE") else {
            return Ok(MethodAuthorization::Open);
        };
        if let Some(authorizer) = self.authorizers.get(name) {
            return Ok(MethodAuthorization::Lambda(authorizer.clone()));
        }
        let scheme = self.schemes.and_then(|schemes| schemes.get(name));
        let auth_type = scheme.and_then(|scheme| scheme.get("x-amazon-apigateway-authtype"));
        match auth_type.and_then(Value::as_str) {
            Some("awsSigv4") => Ok(MethodAuthorization::Iam),
            _ => Err(unsupported(&format!("security scheme {name}"))),
        }
    }

    /// The OPTIONS method that SAM adds to every path for `Cors`.
    fn preflight(
        &self,
        auth: &Value,
        cors: &Value,
    ) -> Result<(MethodAuthorization, Integration), TemplateError> {
        let is_open = auth.get("AddDefaultAuthorizerToCorsPreflight") == Some(&Value::Bool(false));
        let authorization =
            if is_open { MethodAuthorization::Open } else { self.of(&Value::Null)? };
        let names = [
            ("AllowOrigin", "access-control-allow-origin"),
            ("AllowHeaders", "access-control-allow-headers"),
            ("AllowMethods", "access-control-allow-methods"),
            ("MaxAge", "access-control-max-age"),
        ];
        let header = |(property, name): (&str, &str)| {
            Some((name.to_owned(), static_value(cors.get(property)?)))
        };
        let headers = names.into_iter().filter_map(header).collect();
        Ok((
            authorization,
            Integration::Mock { status: 200, headers, body: MappingTemplate::parse("")? },
        ))
    }
}

impl CustomResponse {
    fn of_sam(response: &Value) -> Self {
        let headers = members(response.pointer("/ResponseParameters/Headers"));
        let headers = headers.map(|(name, value)| (name.clone(), static_value(value)));
        Self { status: status(response), headers: headers.collect() }
    }

    /// Reads the properties of `AWS::ApiGateway::GatewayResponse`, or its extension of OpenAPI.
    pub(super) fn of_api_gateway(response: &Value) -> Self {
        let headers = members(either(response, "ResponseParameters"));
        let headers = headers.filter_map(|(name, value)| {
            let name = name.strip_prefix("gatewayresponse.header.")?;
            Some((name.to_owned(), static_value(value)))
        });
        Self { status: status(response), headers: headers.collect() }
    }
}

fn status(response: &Value) -> Option<u16> {
    either(response, "StatusCode").and_then(|status| text(status).parse().ok())
}
