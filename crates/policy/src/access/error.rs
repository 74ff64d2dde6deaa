use std::{error::Error, fmt};

use super::{ConditionError, path::AMBIGUITIES};

/// Why the route of a rule is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The route is neither a method and a path nor the name of a route.
    #[error(
        "`route` must be a method and a path, as in `GET /orders/*`, or `$connect` or `$default`"
    )]
    Form,
    /// The method is not one of API Gateway's.
    #[error(
        "the method of `route` must be `*`, `ANY`, `DELETE`, `GET`, `HEAD`, `OPTIONS`, `PATCH`, `POST` or \
         `PUT`, in capital letters"
    )]
    Method,
    /// The path is too long, or does not start with a slash.
    #[error("the path of `route` must start with `/` and have at most 300 characters")]
    Path,
    /// The path ends with a slash. API Gateway has no such routes.
    #[error("the path of `route` must not end with `/`, remove the last slash")]
    Slash,
    /// A segment is neither text nor a wildcard.
    #[error(
        "each segment of the path of `route` must be ASCII text without spaces, quotes and wildcards, or \
         `{{name}}`, or `*`, or `{{name+}}` at the end"
    )]
    Segment,
    /// The path has a dot segment, a backslash or a control character, encoded or not.
    #[error(
        "paths with {AMBIGUITIES} are always closed, also if it is encoded, so remove the rule"
    )]
    Rewritten,
    /// The path has `{name}` and `*` that are not next to each other.
    #[error(
        "an IAM policy cannot limit `{{name}}` to one segment in a path that has `*` elsewhere, so use `*` \
         for both, or `{{name}}` for both"
    )]
    Mixed,
}

/// Why access rules are refused. The messages quote routes as the rules have them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The text is not a JSON list of objects.
    #[error("is not a JSON list of rules: {0}")]
    Form(String),
    /// The list is empty.
    #[error(
        "has no rules: add one, or remove the setting to open every route to every valid token"
    )]
    Empty,
    /// A rule has an unknown member, or lacks one, or a member has a value of the wrong type.
    #[error("rule {number}: {problem}")]
    Member {
        /// The number of the rule, from 1.
        number: usize,
        /// The problem.
        problem: String,
    },
    /// The route of a rule is refused.
    #[error("rule {number}: {problem}")]
    Route {
        /// The number of the rule, from 1.
        number: usize,
        /// The problem.
        problem: RouteError,
    },
    /// The condition of a rule is refused.
    #[error("rule {number}: {problem}")]
    Condition {
        /// The number of the rule, from 1.
        number: usize,
        /// The problem.
        problem: ConditionError,
    },
    /// Two rules match the same routes.
    #[error(
        "has two rules for the same routes, `{0}` and `{1}`: combine their conditions in one `when`"
    )]
    Twice(String, String),
    /// Two rules match some of the same routes, and neither is more specific and leaves routes to the other.
    #[error(
        "has two rules that match some of the same routes, `{0}` and `{1}`, and neither is more specific: \
         replace a `*` by text in one of them, or combine the rules"
    )]
    Ambiguous(String, String),
    /// The Deny for the overmatch of the first rule, which has `{name}`, would close routes of the second.
    #[error(
        "has rules that no IAM policy can express: the wildcard for `{{name}}` in `{0}` also matches `/`, so a \
         policy that allows `{0}` and `{1}` allows every other path below `{0}` too. Write `*` in place of \
         each `{{name}}` in both routes, which opens all of these paths"
    )]
    Below(String, String),
    /// The Deny for a closed rule would close routes that another rule opens.
    #[error("has rules that no IAM policy can express: {0}")]
    Within(DenyConflict),
    /// A policy for the rules could be longer than API Gateway accepts.
    #[error(
        "needs an IAM policy of up to {0} bytes, and API Gateway accepts 8 KB with the context: use fewer \
         routes, or name the method (a route takes about 100 bytes, and with `*` as its method seven times as \
         much)"
    )]
    TooLong(usize),
}

/// Rules of which a policy cannot close one and keep another open.
///
/// If `wider` is open and `closed` is not, the policy needs a Deny for `closed`, because the Allow for `wider`
/// matches some of its routes. This Deny also closes routes of `open`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyConflict {
    /// The route of the less specific rule, whose Allow makes the Deny necessary.
    pub wider: String,
    /// The route of the rule that the Deny is for.
    pub closed: String,
    /// The route of the rule that the Deny also closes. It can be `wider` itself.
    pub open: String,
    /// Whether the Deny matches routes of `open` only because `{name}` in `closed` becomes a wildcard that also
    /// matches slashes. Otherwise, `open` is more specific than `closed`.
    pub is_overmatch: bool,
}

impl fmt::Display for DenyConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wider, closed, open, is_overmatch } = self;
        match (is_overmatch, wider == open) {
            (false, _) => write!(
                f,
                "if `{wider}` and `{open}` are open and `{closed}` is closed, its Deny also closes `{open}`. \
                 Give `{closed}` the same condition as one of the other two, or `any`, or remove one of the rules"
            ),
            (true, true) => write!(
                f,
                "if `{wider}` is open and `{closed}` is closed, its Deny also closes other paths of `{wider}`, \
                 because its wildcard for `{{name}}` also matches `/`. Write `*` in place of each `{{name}}` in \
                 `{closed}`, or give both rules the same condition"
            ),
            (true, false) => write!(
                f,
                "if `{wider}` and `{open}` are open and `{closed}` is closed, its Deny also closes `{open}`, \
                 because its wildcard for `{{name}}` also matches `/`. Give `{closed}` the same condition as \
                 `{wider}`, or write `*` in place of each `{{name}}` in it"
            ),
        }
    }
}

impl RulesError {
    pub(crate) fn form(problem: &dyn Error) -> Self {
        Self::Form(problem.to_string())
    }
}
