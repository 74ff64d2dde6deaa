//! Access rules: which routes a token opens, and the IAM policy that says the same.
//!
//! Within the module, a `PathPattern` is the path of a rule, `MethodRules` are the rules for one HTTP method and
//! [`policy`] writes what they open and close as an IAM policy.

mod api;
mod condition;
mod error;
mod evaluated;
mod forbid_reason;
mod iam_policy;
mod method_rules;
mod path;
mod route;
mod rule;
mod rules;
mod spelling;
mod stage;
mod warning;

pub use api::Api;
pub use condition::ConditionError;
pub use error::{RouteError, RulesError};
pub use evaluated::{Access, LazyAccess, Opens};
pub use forbid_reason::ForbidReason;
pub use iam_policy::{PolicyRequest, deny_all, policy};
pub use route::Route;
pub use rules::{AccessRules, Explained};
pub use stage::{InvalidArn, Stage};
pub use warning::Warning;
