//! Errors of the start of an API.

use std::io;

use crate::template::TemplateError;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The template is malformed or uses an unsupported feature.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The listener cannot be used.
    #[error("the gateway cannot listen")]
    Listen(#[from] io::Error),
}
