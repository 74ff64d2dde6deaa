//! Expressions of the Common Expression Language (CEL) over the claims of a token.

mod checker;
mod cost;
mod error;
mod evaluation;
mod expression;
mod regex;

pub use error::ExpressionError;
pub(crate) use evaluation::Subject;
pub(crate) use expression::Expression;
