//! The functions of expressions. `cost.rs` has what each of them costs.

use std::sync::{Arc, LazyLock};

use cel::{
    Env,
    common::types::{CelBool, CelString},
};

use super::regex::matches;

/// The functions that an expression can call.
pub(crate) const FUNCTIONS: [&str; 13] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

/// The functions of CEL, with our own `matches`.
pub(crate) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // The `matches` of the crate `cel` needs the Unicode tables of the crate `regex`, which enlarge the package.
    let global = cel::add_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>);
    let member =
        cel::add_member_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>);
    // If they cannot be added, an expression that calls `matches` is never true.
    debug_assert!(global.is_ok() && member.is_ok());
    Arc::new(env)
});
