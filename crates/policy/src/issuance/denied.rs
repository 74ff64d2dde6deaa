/// The part of a request that no rule grants. The parts are in the order in which a rule is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DeniedField {
    /// No rule is for this caller.
    #[error("the caller")]
    Caller,
    /// `when` is not true for the claims of the caller's assertion.
    #[error("the claims of the assertion")]
    Condition,
    /// `sub`.
    #[error("the subject")]
    Subject,
    /// `aud`.
    #[error("the audience")]
    Audience,
    /// One of the scopes.
    #[error("the scope")]
    Scope,
    /// Another claim, or its value.
    #[error("a claim")]
    Claim,
    /// `expires_in`.
    #[error("the lifetime")]
    Lifetime,
}
