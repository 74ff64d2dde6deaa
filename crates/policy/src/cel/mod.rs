//! Conditions in the Common Expression Language (CEL, <https://cel.dev>) over the claims of a token.
//!
//! An [`Expression`] is parsed and checked once, at the start: [`checker`] refuses what would fail or be slow with any
//! token, and [`cost`] estimates the cost for an ordinary token. For a request, an [`EvaluationContext`] holds the claims
//! and the budget that all expressions share. An expression is evaluated only if the budget covers its estimated cost.

mod checker;
mod cost;
mod error;
mod evaluation;
mod expression;
mod functions;
mod limits;
mod regex;

pub use error::ExpressionError;
pub(crate) use evaluation::{EvaluationContext, OverBudget};
pub(crate) use expression::Expression;
pub use regex::RegexError;
