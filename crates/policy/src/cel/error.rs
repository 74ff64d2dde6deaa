use super::{
    evaluation::VARIABLES,
    functions::FUNCTIONS,
    limits::{MAX_BYTES, MAX_DEPTH, ORDINARY_ELEMENTS},
    regex::RegexError,
};

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// The expression is too long.
    #[error("the expression must have at most {MAX_BYTES} bytes")]
    TooLong,
    /// The expression is nested too deeply: its evaluation could overflow the stack.
    #[error("the expression must have at most {MAX_DEPTH} levels of nesting")]
    TooDeep,
    /// A loop is inside another loop, which is slow for a token with long lists.
    #[error(
        "`all`, `exists`, `exists_one`, `map` and `filter` must not be inside one another, use `in` for the \
         inner one"
    )]
    Nested,
    /// The text is not CEL.
    #[error("the expression is not CEL: {0}")]
    Syntax(String),
    /// The expression uses an unknown variable.
    #[error(
        "unknown variable `{0}`, use `{variables}`, as in `claims.sub`",
        variables = VARIABLES.join("`, `")
    )]
    Variable(String),
    /// The expression calls an unknown function.
    #[error("unknown function `{0}`, use one of {functions}", functions = FUNCTIONS.join(", "))]
    Function(String),
    /// The pattern of `matches` is not a string literal.
    #[error("the pattern of `matches` must be a string literal, as in `matches('^team-')`")]
    ComputedPattern,
    /// The result of `map` has a list, a map or a whole claim for each element.
    #[error(
        "`map` must return a single value for each element, not a list, a map or a whole claim: use a single value \
         of the element"
    )]
    ListInMap,
    /// The expression costs too much for an ordinary token.
    #[error(
        "the expression is too expensive for a token with lists of {ORDINARY_ELEMENTS} elements, use fewer \
         loops (`all`, `exists`, `exists_one`, `map`, `filter`), and `in`, `startsWith`, `endsWith` or \
         `contains` in place of `matches`"
    )]
    TooExpensive,
    /// The pattern of `matches` is refused.
    #[error(transparent)]
    Regex(#[from] RegexError),
}
