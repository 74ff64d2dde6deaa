//! An HTTP API: its routes, its Lambda authorizers and its HTTP proxy integrations.

mod authorizer;
mod definition;
mod event;
mod integration;

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::{
    authorizer::{HttpAuthorization, HttpOutput, authorize},
    definition::{HttpApiDefinition, HttpRoute},
    event::HttpRequest,
};
use super::{
    authorizer::OutputCache,
    backend::BackendClient,
    context::GatewayContext,
    error::GatewayError,
    explained_response::{ExplainedResponse, ResponseReason, explained},
};
use crate::{
    http,
    template::{Resolver, Template},
};

/// A stage of an HTTP API.
#[derive(Debug)]
pub(super) struct HttpApi {
    context: GatewayContext,
    definition: HttpApiDefinition,
    cache: OutputCache<HttpOutput>,
    client: BackendClient,
}

impl HttpApi {
    /// The HTTP API of a template.
    pub(super) fn new(
        template: &Template,
        resolver: &Resolver,
        context: GatewayContext,
    ) -> Result<Self, GatewayError> {
        let definition = HttpApiDefinition::read(template, resolver)?;
        let client = BackendClient::new()?;
        Ok(Self { context, definition, cache: OutputCache::default(), client })
    }

    /// The routes for display.
    pub(super) fn describe_routes(&self) -> Vec<String> {
        let describe = |route: &HttpRoute| {
            let authorizer = route.authorizer.as_ref().map_or("open", |own| &own.function);
            format!("{} ({authorizer})", route.key)
        };
        self.definition.routes.iter().map(describe).collect()
    }

    pub(super) async fn respond(&self, id: Uuid, request: Request<Bytes>) -> ExplainedResponse {
        let request = HttpRequest::new(id, request, &self.context.region, &self.definition.stage);
        let route = self.definition.route(request.method.as_str(), &request.path);
        let Some(route) = route else {
            return respond_with(StatusCode::NOT_FOUND, "Not Found", "no such route");
        };
        let Some(authorizer) = &route.authorizer else {
            return self
                .forward(route, request, &Map::new(), ResponseReason::Known("open".into()))
                .await;
        };
        let Some(function) = self.context.functions.get(&authorizer.function) else {
            let reason = "the authorizer function is not on this machine";
            return respond_with(StatusCode::INTERNAL_SERVER_ERROR, FAILED, reason);
        };
        let (authorization, source) =
            authorize(authorizer, function, &self.cache, &request, route).await;
        let explain = |reason: String| source.explain(reason, "cached response");
        let (status, message, reason) = match authorization {
            HttpAuthorization::Allowed(context) => {
                return self.forward(route, request, &context, explain("Allowed".into())).await;
            }
            HttpAuthorization::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "Unauthorized", source.unauthorized_reason())
            }
            HttpAuthorization::Denied => (StatusCode::FORBIDDEN, "Forbidden", "denied".into()),
            HttpAuthorization::Failed(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, FAILED, error.to_string())
            }
            HttpAuthorization::Misconfigured => {
                let reason = "the authorizer output is malformed";
                return respond_with(StatusCode::INTERNAL_SERVER_ERROR, FAILED, reason);
            }
        };
        ExplainedResponse { reason: explain(reason), ..respond_with(status, message, "") }
    }

    /// The response of the backend. `context` is `$context.authorizer`.
    async fn forward(
        &self,
        route: &HttpRoute,
        request: HttpRequest,
        context: &Map<String, Value>,
        reason: ResponseReason,
    ) -> ExplainedResponse {
        let response = match request.into_backend_request(&route.integration, context) {
            Ok(request) => self.client.send(request).await,
            Err(error) => Err(error.into()),
        };
        match response {
            Ok(response) => ExplainedResponse { response, reason },
            Err(error) => {
                let reason = format!("the backend failed: {error}");
                respond_with(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", &reason)
            }
        }
    }
}

/// A response of the API itself. HTTP APIs have no gateway responses.
fn respond_with(status: StatusCode, message: &str, reason: &str) -> ExplainedResponse {
    let response: Response<Bytes> = http::json(status, json!({"message": message}).to_string());
    explained(response, reason)
}

const FAILED: &str = "Internal Server Error";
