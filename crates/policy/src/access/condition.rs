use std::fmt;

use crate::{
    cel::{Expression, ExpressionError, Subject},
    scope::{has_scope_token, is_scope_token},
};

/// What a token must have for a rule to let it through.
#[derive(Debug)]
pub(crate) enum Condition {
    /// Nothing: any good token.
    Any,
    /// This in its `scope` (RFC 6749 section 3.3).
    Scope(String),
    /// Claims of which this is true.
    When(Expression),
}

/// Why a condition is not one that a rule can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Not one scope.
    #[error("scope is the name of one scope, of printable characters without spaces, \" and \\")]
    Scope,
    /// `any` is there and not true.
    #[error("any can be true and nothing else")]
    Any,
    /// Not exactly one of the three.
    #[error("a rule has exactly one of scope, when and any")]
    Several,
    /// The expression of `when`.
    #[error("when {0}")]
    Expression(#[from] ExpressionError),
}

impl Condition {
    pub(crate) fn scope(name: String) -> Result<Self, ConditionError> {
        if is_scope_token(&name) { Ok(Self::Scope(name)) } else { Err(ConditionError::Scope) }
    }

    pub(crate) fn when(text: String) -> Result<Self, ConditionError> {
        Ok(Self::When(Expression::new(text)?))
    }

    /// Whether it is true of these claims. An expression that fails on them is not, nor one that
    /// would cost more than the other expressions have left of [`BUDGET`].
    pub(crate) fn holds<'a>(&'a self, subject: &Subject<'a>) -> bool {
        match self {
            Self::Any => true,
            Self::Scope(name) => {
                has_scope_token(subject.claims.text("scope").unwrap_or_default(), name)
            }
            Self::When(expression) => expression.is_true(subject),
        }
    }

    /// Whether both ask the same of a token, as far as their text tells.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scope(one), Self::Scope(other)) => one == other,
            (Self::When(one), Self::When(other)) => one == other,
            _ => false,
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
    fn scopes() {
        let rows = [
            ("orders:read", true),
            ("https://api.example/orders", true),
            ("", false),
            ("a b", false),
            ("a\"", false),
            ("a\\", false),
            ("ä", false),
        ];
        for (name, expected) in rows {
            assert_eq!(Condition::scope(name.to_owned()).is_ok(), expected, "{name}");
        }
    }
}
