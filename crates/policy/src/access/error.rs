use std::error::Error;

use super::ConditionError;

/// Why a route is not one that a rule can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Neither a method and a path nor a name that a route has.
    #[error("a route is a method and a path, as in GET /orders/*, or $connect, or $default")]
    Form,
    /// The method is none of API Gateway's.
    #[error("the method must be *, ANY or one of API Gateway's, in capital letters")]
    Method,
    /// The path is empty, too long, or not from the root.
    #[error("a path begins with / and has at most 300 characters")]
    Path,
    /// A slash at the end, where API Gateway has none.
    #[error("a path does not end with a slash")]
    Slash,
    /// A segment is neither text nor a wildcard.
    #[error(
        "what stands between two slashes is text, {{name}} or *, with {{name+}} at the end alone"
    )]
    Segment,
    /// A dot segment, a backslash or a control character, encoded.
    #[error("paths with an encoded dot segment, backslash or control character are always closed")]
    Rewritten,
    /// One segment and any number of them, apart from each other.
    #[error(
        "a policy cannot hold {{name}} to one segment where the path has a * elsewhere; write * for \
         both, or neither"
    )]
    Mixed,
}

/// What is wrong with the rules. Routes are quoted, by which their owner knows them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Not JSON, or of another form.
    #[error("is not a JSON list of rules: {0}")]
    Form(String),
    /// There is none.
    #[error("has no rule in it")]
    Empty,
    /// The route of one of them.
    #[error("rule {number}: {problem}")]
    Route {
        /// Which, from 1.
        number: usize,
        /// Why.
        problem: RouteError,
    },
    /// The condition of one of them.
    #[error("rule {number}: {problem}")]
    Condition {
        /// Which, from 1.
        number: usize,
        /// Why.
        problem: ConditionError,
    },
    /// Two for the same routes.
    #[error("{0} and {1} are the same routes; say both in one rule")]
    Twice(String, String),
    /// Two, neither of which is more specific than the other for the routes that they share.
    #[error("{0} and {1} share routes, and neither is plainly the more specific")]
    Ambiguous(String, String),
    /// One segment that is open, and something below it.
    #[error(
        "no policy opens {0} and {1} and not what else is below: its wildcards reach over slashes; \
         write * in place of {{name}} in both, which opens all that is below"
    )]
    Below(String, String),
    /// What is open in what is closed in what is open.
    #[error(
        "no policy opens {0} and {2} while {1} is closed: its Deny wins over every Allow, and its \
         wildcards reach over slashes; give two of them one condition, or leave one out"
    )]
    Within(String, String, String),
    /// More than API Gateway takes.
    #[error(
        "could make a policy of {0} bytes, and API Gateway takes 8 KB with the context; each route \
         takes about 100 bytes, and one with * as its method seven times as much"
    )]
    TooLong(usize),
}

impl RulesError {
    pub(crate) fn form(problem: &dyn Error) -> Self {
        Self::Form(problem.to_string())
    }
}
