/// Elements of the lists for which an expression must be cheap enough.
pub(crate) const ORDINARY_ELEMENTS: u64 = 32;

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// The expression is too long.
    #[error("when has at most 1024 characters")]
    TooLong,
    /// A chain or a nest that the stack may be too small for.
    #[error("when has at most 48 levels, one in the other")]
    TooDeep,
    /// A loop within a loop, which a token with long lists would make slow.
    #[error("when has no all, exists, map or filter within another; use in for the inner one")]
    Nested,
    /// It is not one of the language.
    #[error("when is not an expression of CEL: {0}")]
    Syntax(String),
    /// There is no such variable.
    #[error("when knows no {0}; the claims are in claims, as in claims.sub")]
    Variable(String),
    /// There is no such function.
    #[error("when knows no function {0}")]
    Function(String),
    /// The pattern of `matches` is not written in the expression.
    #[error("the pattern of matches in a when must be a string literal, as in matches('^team-')")]
    ComputedPattern,
    /// A `map` with a list, a map or a whole claim for each element.
    #[error(
        "the second argument of map in a when must not be a list, a map or a whole claim; use one \
         value of the element"
    )]
    ListInMap,
    /// It costs too much for an ordinary token.
    #[error(
        "when is too expensive for a token with lists of {LIST} elements; use fewer loops (all, \
         exists, map, filter), and in, startsWith, endsWith or contains instead of matches",
        LIST = ORDINARY_ELEMENTS
    )]
    TooExpensive,
    /// What `matches` is given is no regular expression.
    #[error("when has a regular expression that is none: {0}")]
    Regex(String),
}
