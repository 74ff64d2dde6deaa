//! An API and its responses.

use std::pin::Pin;

use hyper::{Request, Response, body::Bytes};
use uuid::Uuid;

/// An API: responds to requests.
pub(super) trait Api: Send + Sync + 'static {
    fn respond(
        &self,
        id: Uuid,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = ExplainedResponse> + Send + '_>>;
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
