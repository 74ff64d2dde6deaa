use std::fmt;

use serde::Deserialize;

use crate::{
    cel::{EvaluationContext, Expression, ExpressionError},
    scope::{has_scope_token, is_scope_token},
};

/// The condition of a rule on the token. Two conditions are equal if their texts are equal.
#[derive(Debug, PartialEq)]
pub(crate) enum Condition {
    /// Nothing: every valid token.
    Any,
    /// This value in the claim `scope` (RFC 6749 section 3.3).
    Scope(String),
    /// Claims for which this expression is true.
    When(Expression),
}

/// Why the condition of a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// `scope` is empty, or not a single scope (RFC 6749 section 3.3).
    #[error(
        "`scope` must be a single scope of printable ASCII characters without spaces, \" and \\"
    )]
    Scope,
    /// `any` is not `true`.
    #[error("`any` must be true")]
    Any,
    /// The rule has none of the three conditions, or several.
    #[error("a rule must have exactly one of `scope`, `when` and `any`")]
    Several,
    /// The expression of `when` is refused.
    #[error("invalid `when`: {0}")]
    Expression(#[from] ExpressionError),
}

/// The condition of a rule in JSON: the members except `route`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConditionMembers {
    scope: Option<String>,
    when: Option<String>,
    any: Option<bool>,
}

impl ConditionMembers {
    pub(crate) fn read(self) -> Result<Condition, ConditionError> {
        match (self.scope, self.when, self.any) {
            (Some(scope), None, None) => Condition::scope(scope),
            (None, Some(when), None) => Ok(Condition::When(Expression::new(when)?)),
            (None, None, Some(true)) => Ok(Condition::Any),
            (None, None, Some(false)) => Err(ConditionError::Any),
            _ => Err(ConditionError::Several),
        }
    }
}

impl Condition {
    fn scope(name: String) -> Result<Self, ConditionError> {
        if is_scope_token(&name) { Ok(Self::Scope(name)) } else { Err(ConditionError::Scope) }
    }

    /// Whether the claims meet the condition. An expression that fails on them, or that exceeds the budget of
    /// the request, is not met.
    pub(crate) fn is_met<'a>(&'a self, context: &EvaluationContext<'a>) -> bool {
        match self {
            Self::Any => true,
            Self::Scope(name) => has_scope_token(context.text("scope").unwrap_or_default(), name),
            Self::When(expression) => expression.is_true(context),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => write!(f, "any"),
            Self::Scope(name) => write!(f, "scope {name}"),
            Self::When(expression) => write!(f, "when {expression}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_condition_must_be_a_single_scope() {
        let rows = [
            ("a name with a colon", "orders:read", true),
            ("a URL", "https://api.example/orders", true),
            ("empty", "", false),
            ("two scopes", "a b", false),
            ("a quotation mark", "a\"", false),
            ("a backslash", "a\\", false),
            ("not ASCII", "ä", false),
        ];
        for (name, scope, expected) in rows {
            assert_eq!(Condition::scope(scope.to_owned()).is_ok(), expected, "{name}");
        }
    }
}
