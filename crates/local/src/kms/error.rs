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

    /// An operation that KMS does not have, or that the local KMS does not have.
    pub(crate) fn unknown_operation(operation: &str) -> Self {
        // The client wrote the name: it may contain control characters.
        let operation: String = operation.escape_debug().take(MAX_SHOWN).collect();
        let message = format!("Operation {operation} is not supported on this machine.");
        Self::new("UnknownOperationException", message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// The HTTP status ("Errors" of each operation in the API reference).
    fn status(&self) -> StatusCode {
        match self.code {
            "DependencyTimeoutException" | "KMSInternalException" | "KeyUnavailableException" => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn response(&self) -> Response<Bytes> {
        let body = json!({"__type": self.code, "message": self.message}).to_string();
        http::respond(self.status(), &[("content-type", "application/x-amz-json-1.1")], body)
    }
}

/// How much of an unknown operation an error shows, in characters.
const MAX_SHOWN: usize = 64;
