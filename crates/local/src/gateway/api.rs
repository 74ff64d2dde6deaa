//! An API and its responses.

use hyper::{Request, Response, body::Bytes};
use uuid::Uuid;

use super::{http_api::HttpApi, rest_api::RestApi, websocket_api::WebSocketApi};

/// An API of one of the three kinds.
#[derive(Debug)]
pub(super) enum Api {
    Rest(RestApi),
    Http(Box<HttpApi>),
    WebSocket(WebSocketApi),
}

impl Api {
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

/// A response and the reason for it.
pub(super) struct ExplainedResponse {
    pub(super) response: Response<Bytes>,
    pub(super) reason: ResponseReason,
}

pub(super) enum ResponseReason {
    Known(String),
    /// The reason is in the log of this invocation. The text is the default if the log has none.
    Logged(Uuid, String),
}

/// A response with a known reason.
pub(super) fn explained(response: Response<Bytes>, reason: &str) -> ExplainedResponse {
    ExplainedResponse { response, reason: ResponseReason::Known(reason.to_owned()) }
}
