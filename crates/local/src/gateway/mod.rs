//! A local API Gateway: stages of REST, HTTP and WebSocket APIs with their routes, authorization and integrations.
//!
//! Start with [`Gateway`].

mod api;
mod api_definition;
mod api_request;
mod authorizer;
mod context;
mod error;
mod gateway_response;
mod http_api;
mod mapping_template;
mod sigv4;
mod websocket_api;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Instant,
};

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};
use uuid::Uuid;

pub(crate) use self::api_request::API_ID;
pub use self::{
    context::{Exchange, GatewayContext},
    error::GatewayError,
};

use self::{
    api::{Api, ExplainedResponse, ResponseReason, explained},
    api_definition::{ApiDefinition, ApiRoute, Integration, MethodAuthorization},
    api_request::ApiRequest,
    authorizer::{Authorization, AuthorizerOutput, DecisionSource, OutputCache, authorize},
    gateway_response::{GatewayResponse, denial},
    http_api::HttpApi,
    sigv4::{SigV4Caller, SignatureError},
    websocket_api::WebSocketApi,
};
use crate::{
    allowed_hosts::AllowedHosts,
    http::{self, HttpServer},
    lambda::FunctionLogs,
    template::{Resolver, Template},
};

/// A stage of an API, served on this machine. Unlike in AWS, its path has no stage name.
#[derive(Debug)]
pub struct Gateway {
    server: HttpServer,
    routes: Vec<String>,
    exchanges: broadcast::Sender<Exchange>,
}

/// A REST API.
#[derive(Debug)]
struct RestApi {
    context: GatewayContext,
    api: ApiDefinition,
    cache: OutputCache<AuthorizerOutput>,
}

impl Gateway {
    /// Serves the REST API with these properties of `AWS::Serverless::Api`, in which intrinsic functions are
    /// evaluated, until the result is dropped.
    ///
    /// # Errors
    /// If the properties use an unsupported feature, or the listener has no address.
    pub fn start(
        listener: TcpListener,
        properties: &Value,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        let api = ApiDefinition::read(properties)?;
        let routes = api.routes.iter().map(ApiRoute::describe).collect();
        let api = RestApi { context: context.clone(), api, cache: OutputCache::default() };
        Self::serve(listener, api, routes, context)
    }

    /// Serves the HTTP API of a template until the result is dropped.
    ///
    /// # Errors
    /// If the template has no such API or uses an unsupported feature, or the listener has no address.
    pub fn start_http_api(
        listener: TcpListener,
        template: &Template,
        resolver: &Resolver,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        let api = HttpApi::new(template, resolver, context.clone())?;
        let routes = api.describe_routes();
        Self::serve(listener, api, routes, context)
    }

    /// Serves the WebSocket API of a template until the result is dropped.
    ///
    /// # Errors
    /// If the template has no such API or uses an unsupported feature, or the listener has no address.
    pub fn start_websocket_api(
        listener: TcpListener,
        template: &Template,
        resolver: &Resolver,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        let api = WebSocketApi::new(template, resolver, context.clone())?;
        let routes = api.describe_routes();
        Self::serve(listener, api, routes, context)
    }

    fn serve(
        listener: TcpListener,
        api: impl Api,
        routes: Vec<String>,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        let GatewayContext { logs, exchanges, .. } = context;
        let (api, followed): (Arc<dyn Api>, _) = (Arc::new(api), exchanges.clone());
        let hosts = AllowedHosts::Loopback;
        let server = HttpServer::start(listener, hosts, MAX_BODY_BYTES, move |request| {
            let api = Arc::clone(&api);
            // The task completes the request even if the client closes the connection.
            let exchange = tokio::spawn(exchange(api, request, logs.clone(), exchanges.clone()));
            async move {
                let failed =
                    |_| http::json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":null}"#);
                exchange.await.unwrap_or_else(failed)
            }
        })?;
        Ok(Self { server, routes, exchanges: followed })
    }

    /// The address of the listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Subscribes to the completed requests of all APIs of the stack. A receiver that lags behind misses some.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Exchange> {
        self.exchanges.subscribe()
    }

    /// The routes for display, for example `POST /token (AWS_IAM)`.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(String::as_str)
    }
}

impl ApiRoute {
    /// The route for display.
    fn describe(&self) -> String {
        let authorization = match &self.authorization {
            MethodAuthorization::Open => "open",
            MethodAuthorization::Iam => "AWS_IAM",
            MethodAuthorization::Lambda(authorizer) => &authorizer.function,
        };
        format!("{} {} ({authorization})", self.method, self.resource)
    }
}

/// Responds to a request and reports it.
async fn exchange(
    api: Arc<dyn Api>,
    request: Request<Bytes>,
    logs: FunctionLogs,
    exchanges: broadcast::Sender<Exchange>,
) -> Response<Bytes> {
    let start = Instant::now();
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let id = Uuid::new_v4();
    let ExplainedResponse { mut response, reason } = match too_long(&request) {
        Some(response) => response,
        None => api.respond(id, request).await,
    };
    if let Ok(id) = id.to_string().parse() {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    let (duration, status) = (start.elapsed(), response.status().as_u16());
    // The log line with the reason can arrive later than the response.
    tokio::spawn(async move {
        let reason = match reason {
            ResponseReason::Known(reason) => reason,
            ResponseReason::Logged(id, default) => {
                logs.reason(&id.to_string()).await.unwrap_or(default)
            }
        };
        let _ = exchanges.send(Exchange { id, method, path, status, reason, duration });
    });
    response
}

/// The response to a request whose request line and headers are too long.
fn too_long(request: &Request<Bytes>) -> Option<ExplainedResponse> {
    let request_line = request.method().as_str().len() + request.uri().to_string().len();
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    (request_line + headers.sum::<usize>() > MAX_HEAD_BYTES).then(|| {
        let body = r#"{"message":"Request Header Fields Too Large"}"#;
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        explained(http::json(status, body), "headers over 10240 bytes")
    })
}

impl Api for RestApi {
    fn respond(
        &self,
        id: Uuid,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = ExplainedResponse> + Send + '_>> {
        Box::pin(self.respond(id, request))
    }
}

impl RestApi {
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
                    let reason = "no such authorizer function";
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
        let explain = |reason: String| match source {
            DecisionSource::Function(id) => ResponseReason::Logged(id, reason),
            DecisionSource::Cache => ResponseReason::Known(format!("{reason} (cached policy)")),
            DecisionSource::IdentitySources => ResponseReason::Known(reason),
        };
        match authorization {
            Authorization::Allowed(context) => {
                let reason = explain("Allowed".into());
                self.integration(route, request, None, &context, Some(reason)).await
            }
            Authorization::Unauthorized => {
                let response = self.gateway_response(&GatewayResponse::Unauthorized, "");
                ExplainedResponse { reason: explain("no credentials".into()), ..response }
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
                    return failed("no such function");
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
/// The limit of API Gateway for the request line and all headers ("Quotas for configuring and running a REST
/// API" in the developer guide).
const MAX_HEAD_BYTES: usize = 10_240;
/// The limit of Lambda for an event, which is lower than the limit of API Gateway for a body.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;

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
