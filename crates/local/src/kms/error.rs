//! Errors in the form of the KMS API.

use hyper::{Response, StatusCode, body::Bytes};
use serde_json::json;

use crate::http;

/// An error response of KMS with this code, as AWS JSON 1.1 writes it.
#[must_use]
pub fn error_response(code: &'static str, message: &str) -> Response<Bytes> {
    KmsError::new(code, message).response()
}

/// An error response: code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KmsError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl KmsError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A `ValidationException` for a member that violates a constraint of the service model.
    pub(crate) fn constraint(member: &str, constraint: &str) -> Self {
        Self::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value at '{member}' failed to satisfy constraint: \
                 Member must {constraint}"
            ),
        )
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// The HTTP status that the service model gives this error, or 400.
    fn status(&self) -> StatusCode {
        match self.code {
            "NotFoundException" => StatusCode::NOT_FOUND,
            "DisabledException" | "KMSInvalidStateException" => StatusCode::CONFLICT,
            "DryRunOperationException" => StatusCode::PRECONDITION_FAILED,
            "KMSInternalException" | "KeyUnavailableException" => StatusCode::INTERNAL_SERVER_ERROR,
            "DependencyTimeoutException" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn response(&self) -> Response<Bytes> {
        let body = json!({"__type": self.code, "message": self.message}).to_string();
        http::respond(self.status(), &[("content-type", "application/x-amz-json-1.1")], body)
    }
}
