//! The limits of expressions, which the checks enforce and the error messages name.

/// The longest expression, in bytes.
pub(crate) const MAX_BYTES: usize = 1024;

/// The deepest nesting. The evaluator recurses, and each level takes its part of the stack.
pub(crate) const MAX_DEPTH: usize = 48;

/// The elements of the lists in the ordinary token for which an expression must be cheap enough.
pub(crate) const ORDINARY_ELEMENTS: u64 = 32;
