//! A local API Gateway: stages of REST, HTTP and WebSocket APIs with their routes, authorization and integrations.
//!
//! Start with [`Gateway`].

mod api;
mod api_request;
mod authorizer;
mod backend;
mod context;
mod error;
mod explained_response;
mod gateway_response;
mod http_api;
mod mapping_template;
mod properties;
mod rest_api;
mod route_priority;
mod sigv4;
mod websocket_api;

use std::{net::SocketAddr, sync::Arc, time::Instant};

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::Value;
use tokio::{net::TcpListener, sync::broadcast};
use uuid::Uuid;

pub(crate) use self::{api_request::API_ID, rest_api::ROOT_RESOURCE};
pub use self::{
    context::{CompletedRequest, GatewayContext},
    error::GatewayError,
};

use self::{
    api::ServedApi,
    explained_response::{ExplainedResponse, ResponseReason, explained},
    http_api::HttpApi,
    rest_api::{RestApi, RestApis},
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
    exchanges: broadcast::Sender<CompletedRequest>,
}

impl Gateway {
    /// Serves the REST API with these properties of `AWS::Serverless::Api`, in which intrinsic functions are
    /// evaluated, until the result is dropped. Other APIs are served at the same address, except for their paths
    /// that an API before them has.
    ///
    /// # Errors
    /// If the properties use an unsupported feature, or the listener has no address.
    pub fn start<'a>(
        listener: TcpListener,
        properties: &Value,
        others: impl IntoIterator<Item = &'a Value>,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        let mut apis = RestApis::new(RestApi::new(properties, context.clone())?);
        for properties in others {
            apis.add(RestApi::new(properties, context.clone())?);
        }
        Self::serve(listener, ServedApi::Rest(apis), context)
    }

    /// Serves the `AWS::ApiGateway::RestApi` of a template until the result is dropped.
    ///
    /// # Errors
    /// If the template has no such API or uses an unsupported feature, or the listener has no address.
    pub fn start_rest_api(
        listener: TcpListener,
        template: &Template,
        resolver: &Resolver,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        let api = RestApi::of_template(template, resolver, context.clone())?;
        Self::serve(listener, ServedApi::Rest(RestApis::new(api)), context)
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
        Self::serve(listener, ServedApi::Http(Box::new(api)), context)
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
        Self::serve(listener, ServedApi::WebSocket(api), context)
    }

    fn serve(
        listener: TcpListener,
        api: ServedApi,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        let GatewayContext { logs, exchanges, .. } = context;
        let (routes, followed) = (api.describe_routes(), exchanges.clone());
        let api = Arc::new(api);
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
    pub fn follow(&self) -> broadcast::Receiver<CompletedRequest> {
        self.exchanges.subscribe()
    }

    /// The routes for display, for example `POST /token (AWS_IAM)`.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(String::as_str)
    }
}

/// Responds to a request and reports it.
async fn exchange(
    api: Arc<ServedApi>,
    request: Request<Bytes>,
    logs: FunctionLogs,
    exchanges: broadcast::Sender<CompletedRequest>,
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
        let _ = exchanges.send(CompletedRequest { id, method, path, status, reason, duration });
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
        explained(http::json(status, body), "the request line and the headers exceed 10240 bytes")
    })
}

/// The limit of API Gateway for the request line and all headers ("Quotas for configuring and running a REST
/// API" in the developer guide).
const MAX_HEAD_BYTES: usize = 10_240;
/// The limit of Lambda for an event, which is lower than the limit of API Gateway for a body.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;
