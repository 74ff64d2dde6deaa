//! Errors of the start of a stack.

use std::io;

use crate::{gateway::GatewayError, template::TemplateError};

/// Why a stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The template is malformed or uses an unsupported feature.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A port cannot be opened.
    #[error("port {port} cannot be opened for {service} ({source}); choose another with {option}")]
    Port {
        /// The port.
        port: u16,
        /// The service that listens on it.
        service: &'static str,
        /// The command-line option that sets the port or its address.
        option: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The keys cannot be stored.
    #[error("state file {file} cannot be used: {source}")]
    State {
        /// The file in the state folder.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// The Region cannot be part of an ARN.
    #[error("the Region must be a name such as us-east-1, of letters, digits and hyphens")]
    Region,
    /// The local KMS cannot create a key of the template.
    #[error("the key of the template cannot be created: {0}")]
    Key(String),
    /// The gateway did not start.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The settings are invalid: one message for each alias that cannot be created and each function that did
    /// not start.
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
    /// The same, but not only because of settings.
    #[error("{}", .0.join("\n"))]
    NotStarted(Vec<String>),
}

impl StackError {
    /// Whether the caller can correct the error with other options, settings or files.
    #[must_use]
    pub fn is_invalid_input(&self) -> bool {
        match self {
            Self::Template(_)
            | Self::Region
            | Self::Key(_)
            | Self::Gateway(GatewayError::Template(_))
            | Self::Settings(_) => true,
            Self::Port { .. }
            | Self::State { .. }
            | Self::Gateway(GatewayError::Listen(_))
            | Self::NotStarted(_) => false,
        }
    }
}
