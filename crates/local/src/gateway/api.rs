//! An API of one of the three kinds.

use hyper::{Request, body::Bytes};
use uuid::Uuid;

use super::{
    explained_response::ExplainedResponse, http_api::HttpApi, rest_api::RestApis,
    websocket_api::WebSocketApi,
};

#[derive(Debug)]
pub(super) enum ServedApi {
    Rest(RestApis),
    Http(Box<HttpApi>),
    WebSocket(WebSocketApi),
}

impl ServedApi {
    pub(super) async fn respond(&self, id: Uuid, request: Request<Bytes>) -> ExplainedResponse {
        match self {
            Self::Rest(api) => api.respond(id, request).await,
            Self::Http(api) => api.respond(id, request).await,
            Self::WebSocket(api) => api.respond(id, request).await,
        }
    }

    /// The routes for display, for example `POST /token (AWS_IAM)`.
    pub(super) fn describe_routes(&self) -> Vec<String> {
        match self {
            Self::Rest(api) => api.describe_routes(),
            Self::Http(api) => api.describe_routes(),
            Self::WebSocket(api) => api.describe_routes(),
        }
    }
}
