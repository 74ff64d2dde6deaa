//! Errors of templates.

/// A template that is malformed or uses an unsupported feature. Holds the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {0}")]
pub struct TemplateError(pub(crate) String);
