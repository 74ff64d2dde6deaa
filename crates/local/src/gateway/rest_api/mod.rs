//! A REST API: its methods, their authorization and their integrations.

mod definition;
mod integration;
mod lambda_authorizer;
mod open_api;
mod resources;
mod shared_address;

use std::net::{IpAddr, Ipv4Addr};

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::resources::ROOT_RESOURCE;
use self::{
    definition::{ApiDefinition, ApiRoute, MethodAuthorization},
    integration::Integration,
};
pub(super) use self::{lambda_authorizer::LambdaAuthorizer, shared_address::RestApis};
use super::{
    api_request::ApiRequest,
    authorizer::{Authorization, AuthorizerOutput, DecisionSource, OutputCache, authorize},
    context::GatewayContext,
    explained_response::{ExplainedResponse, ResponseReason, explained},
    gateway_response::{GatewayResponse, denial},
    sigv4::{SigV4Caller, SignatureError},
};
use crate::{
    http,
    template::{Resolver, Template, TemplateError},
};

/// A REST API.
#[derive(Debug)]
pub(super) struct RestApi {
    context: GatewayContext,
    api: ApiDefinition,
    cache: OutputCache<AuthorizerOutput>,
}

impl RestApi {
    /// The API with these properties of `AWS::Serverless::Api`.
    pub(super) fn new(properties: &Value, context: GatewayContext) -> Result<Self, TemplateError> {
        let api = ApiDefinition::of_sam(properties)?;
        Ok(Self { context, api, cache: OutputCache::default() })
    }

    /// The `AWS::ApiGateway::RestApi` of a template.
    pub(super) fn of_template(
        template: &Template,
        resolver: &Resolver,
        context: GatewayContext,
    ) -> Result<Self, TemplateError> {
        let api = ApiDefinition::of_template(template, resolver)?;
        Ok(Self { context, api, cache: OutputCache::default() })
    }

    /// The routes for display.
    fn describe_routes(&self) -> Vec<String> {
        self.api.routes.iter().map(ApiRoute::describe).collect()
    }

    async fn respond(&self, id: Uuid, request: Request<Bytes>) -> ExplainedResponse {
        let (head, body) = request.into_parts();
        let Some(route) = self.api.route(head.method.as_str(), head.uri.path()) else {
            let signature = SigV4Caller::read(&head.headers).err();
            let kind = GatewayResponse::NoRoute(signature.unwrap_or(SignatureError::Missing));
            return self.gateway_response(&kind, "no such route");
        };
        let request = ApiRequest {
            id,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            method: head.method,
            headers: head.headers,
            body,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            region: self.context.region.clone(),
            stage: self.api.stage.clone(),
            resource: route.resource.clone(),
        };
        match &route.authorization {
            MethodAuthorization::Open => {
                self.integration(route, &request, None, &Value::Null, None).await
            }
            MethodAuthorization::Iam => match SigV4Caller::read(&request.headers) {
                Ok(caller) => {
                    self.integration(route, &request, Some(&caller), &Value::Null, None).await
                }
                Err(error) => {
                    let reason = "no well-formed SigV4 signature";
                    self.gateway_response(&GatewayResponse::Signature(error), reason)
                }
            },
            MethodAuthorization::Lambda(authorizer) => {
                let Some(function) = self.context.functions.get(&authorizer.function) else {
                    let reason = "the authorizer function is not on this machine";
                    return self
                        .gateway_response(&GatewayResponse::AuthorizerConfigurationError, reason);
                };
                let (authorization, source) =
                    authorize(authorizer, function, &self.cache, &request).await;
                self.respond_authorized(route, &request, authorization, source).await
            }
        }
    }

    async fn respond_authorized(
        &self,
        route: &ApiRoute,
        request: &ApiRequest,
        authorization: Authorization,
        source: DecisionSource,
    ) -> ExplainedResponse {
        let explain = |reason: String| source.explain(reason, "cached policy");
        match authorization {
            Authorization::Allowed(context) => {
                let reason = explain("Allowed".into());
                self.integration(route, request, None, &context, Some(reason)).await
            }
            Authorization::Unauthorized => {
                let response = self.gateway_response(&GatewayResponse::Unauthorized, "");
                ExplainedResponse { reason: explain(source.unauthorized_reason()), ..response }
            }
            Authorization::Denied(decision) => {
                self.gateway_response(&GatewayResponse::AccessDenied(decision), denial(decision))
            }
            Authorization::Failed(error) => {
                let response = self.gateway_response(&GatewayResponse::AuthorizerFailure, "");
                ExplainedResponse { reason: explain(error.to_string()), ..response }
            }
            Authorization::Misconfigured => {
                let reason = "the authorizer output is malformed";
                self.gateway_response(&GatewayResponse::AuthorizerConfigurationError, reason)
            }
        }
    }

    /// The response of the integration. `authorizer` is `$context.authorizer`; `reason` is the one of the
    /// authorizer, if any.
    async fn integration(
        &self,
        route: &ApiRoute,
        request: &ApiRequest,
        caller: Option<&SigV4Caller>,
        authorizer: &Value,
        reason: Option<ResponseReason>,
    ) -> ExplainedResponse {
        match &route.integration {
            Integration::Mock { status, headers, body } => {
                let body = body.render(&json!({"authorizer": authorizer}));
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
                let reason = reason.unwrap_or_else(|| ResponseReason::Known("open".into()));
                let mut all_headers = vec![("content-type", "application/json")];
                all_headers.extend(headers.iter().map(|(name, value)| (&**name, &**value)));
                ExplainedResponse { response: http::respond(status, &all_headers, body), reason }
            }
            Integration::Function(name) => {
                let failed =
                    |reason| self.gateway_response(&GatewayResponse::IntegrationFailure, reason);
                let Some(function) = self.context.functions.get(name) else {
                    return failed("the function is not on this machine");
                };
                let invocation = function.invoke(&request.proxy_event(caller, authorizer)).await;
                let id = invocation.id;
                match invocation.result.as_ref().map(proxy_response) {
                    Ok(Some(response)) => ExplainedResponse {
                        response,
                        reason: ResponseReason::Logged(id, String::new()),
                    },
                    Ok(None) => failed("the function response is malformed"),
                    Err(error) => ExplainedResponse {
                        reason: ResponseReason::Logged(id, error.to_string()),
                        ..failed("")
                    },
                }
            }
        }
    }

    /// A gateway response, as the template customizes it.
    fn gateway_response(&self, kind: &GatewayResponse, reason: &str) -> ExplainedResponse {
        let custom = kind.names().into_iter().find_map(|name| self.api.responses.get(name));
        let status = custom.and_then(|custom| custom.status).unwrap_or(kind.status());
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers =
            vec![("content-type", "application/json"), ("x-amzn-ErrorType", kind.error_type())];
        let own = custom.map(|custom| &*custom.headers).unwrap_or_default();
        headers.extend(own.iter().map(|(name, value)| (&**name, &**value)));
        explained(http::respond(status, &headers, kind.body()), reason)
    }
}

/// The response of a proxy integration, if the output of the function has the required form.
fn proxy_response(output: &Value) -> Option<Response<Bytes>> {
    let status = u16::try_from(output.get("statusCode")?.as_u64()?).ok()?;
    let headers = output.get("headers").and_then(Value::as_object).into_iter().flatten();
    let headers: Vec<_> = headers
        .filter_map(|(name, value)| Some((remapped(name), value.as_str()?.to_owned())))
        .collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let body = output.get("body").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(http::respond(StatusCode::from_u16(status).ok()?, &headers, body))
}

/// The name under which a client receives a header of the backend: API Gateway renames those that it sets itself
/// ("Amazon API Gateway important notes" in the developer guide).
fn remapped(name: &str) -> String {
    let is_own = REMAPPED_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
    if is_own { format!("x-amzn-Remapped-{name}") } else { name.to_owned() }
}

const REMAPPED_HEADERS: [&str; 6] =
    ["Authorization", "Connection", "Content-Length", "Date", "Server", "WWW-Authenticate"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn headers_that_api_gateway_sets_itself_are_renamed() {
        let output = json!({
            "statusCode": 401,
            "headers": {"WWW-Authenticate": "Bearer", "date": "today", "Content-Type": "text/plain", "x-a": "b"},
            "body": "no",
        });
        let response = proxy_response(&output).unwrap();
        let headers: BTreeMap<_, _> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let expected = BTreeMap::from([
            ("x-amzn-remapped-www-authenticate", "Bearer"),
            ("x-amzn-remapped-date", "today"),
            ("content-type", "text/plain"),
            ("x-a", "b"),
        ]);
        assert_eq!(headers, expected);
    }
}
