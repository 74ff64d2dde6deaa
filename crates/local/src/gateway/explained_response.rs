//! A response, and why it is sent.

use hyper::{Response, body::Bytes};
use uuid::Uuid;

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
