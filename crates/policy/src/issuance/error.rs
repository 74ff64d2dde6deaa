use super::CallerError;

/// Why an issuance policy is refused. Each number is that of a rule, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuancePolicyError {
    /// The text is not a JSON list of objects.
    #[error("is not a JSON list of rules: {0}")]
    Form(String),
    /// A rule has an unknown member, or lacks one, or a member has a value of the wrong type.
    #[error("rule {0}: {1}")]
    Member(usize, String),
    /// The `caller` of a rule is refused.
    #[error("rule {0}: {1}")]
    Caller(usize, CallerError),
    /// `max_lifetime` is 0, or longer than the maximum of the issuer.
    #[error("rule {0}: `max_lifetime` must be from 1 second to TOKEN_LIFETIME_MAX_SECONDS")]
    Lifetime(usize),
}
