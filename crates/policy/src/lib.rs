//! What tokens open and who may have them, decided without I/O.
//!
//! - [`access`]: access rules, and the IAM policies that say the same.
//! - [`issuance`]: which caller may ask for which token.
//! - Conditions of access rules are expressions of the Common Expression Language (CEL) over the claims.

pub mod access;
mod cel;
mod glob;
pub mod issuance;
mod scope;

pub use cel::ExpressionError;
pub use scope::{has_scope_token, is_scope, is_scope_token};
