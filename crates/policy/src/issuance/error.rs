/// Why an issuance policy is refused. Each number is that of a rule, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuancePolicyError {
    /// The text is not a JSON list of objects.
    #[error("is not a JSON list of rules: {0}")]
    Form(String),
    /// A rule has an unknown member, or lacks one, or a member has a value of the wrong type.
    #[error("rule {0}: {1}")]
    Member(usize, String),
    /// A caller is neither an ARN nor `*` nor `invoke`.
    #[error("rule {0}: `caller` must be `*`, `invoke`, or the ARN of an IAM user, role or session")]
    Caller(usize),
    /// The name of a role that has a path has a wildcard. The ARN of a session omits the path of its role.
    #[error(
        "rule {0}: `caller` has a role path and a wildcard in the role name: write the whole name, or leave out the \
         path, which the ARNs of sessions do not have"
    )]
    RolePath(usize),
    /// `max_lifetime` is 0, or longer than the maximum of the issuer.
    #[error("rule {0}: `max_lifetime` must be from 1 second to TOKEN_LIFETIME_MAX_SECONDS")]
    Lifetime(usize),
}
