//! Errors of invocations.

/// An error that a function returned, or the failure of its execution environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct FunctionError {
    /// `errorType` of the function or of Lambda.
    pub error_type: String,
    /// `errorMessage` of the function or of Lambda.
    pub message: String,
    /// Whether the execution environment can handle another event.
    pub(super) is_recoverable: bool,
}

impl FunctionError {
    /// An error that the function returned.
    pub(super) fn returned(error_type: String, message: String) -> Self {
        Self { error_type, message, is_recoverable: true }
    }

    /// An error that ends the execution environment.
    pub(super) fn fatal(error_type: &str, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into(), is_recoverable: false }
    }

    /// The execution environment has ended.
    pub(super) fn environment_ended() -> Self {
        Self::fatal("Runtime.ExitError", "the execution environment has ended")
    }
}
