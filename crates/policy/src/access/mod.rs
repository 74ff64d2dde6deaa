//! Access rules: which routes a token opens, and the IAM policy that expresses the same.
//!
//! [`AccessRules`] are parsed from JSON. [`AccessRules::access`] evaluates their conditions for the claims of a
//! token, [`AccessRules::forbid_reason`] decides on one route, and [`policy`] writes the policy for the whole stage.
//! The policy must be right for every route, because API Gateway can cache it and use it for other routes.
//!
//! # How rules become a policy
//!
//! Take these rules, and a token with `orders:read`:
//!
//! ```json
//! [
//!   {"route": "GET /orders/*", "scope": "orders:read"},
//!   {"route": "GET /orders/*/refunds", "scope": "refunds:read"},
//!   {"route": "GET /customers/{id}", "scope": "orders:read"}
//! ]
//! ```
//!
//! | effect | resource | reason |
//! |---|---|---|
//! | Allow | `GET/orders/*` | The first rule is open. |
//! | Deny | `GET/orders/*/refunds` | The second rule is closed, and the Allow for the first one matches its paths. |
//! | Allow | `GET/customers/?*` | The third rule is open. IAM has no wildcard for one segment. |
//! | Deny | `GET/customers/*/*` | *Overmatch*: `?*` also matches slashes, so the Allow also matches `/customers/7/notes`. |
//!
//! (The policy also denies the paths with a slash at the end and other spellings of closed paths.)
//!
//! 1. Each open rule becomes an Allow. `{name}` becomes `?*` and `*` stays. The `*` of IAM also matches `/`, so the
//!    resource of a rule with `{name}` matches more than the rule: its *overmatch*.
//! 2. The overmatch of an open rule becomes a Deny, unless an open rule matches these paths.
//! 3. A closed rule becomes a Deny if a less specific rule for some of its paths is open.
//!
//! # Why a policy cannot express some rules
//!
//! In IAM, a Deny wins over every Allow. So no Deny from step 2 or 3 may match a path that a rule opens. Parsing
//! refuses rules with which this could happen, for some token:
//!
//! - [`RulesError::Below`]: with `GET /customers/{id}` and `GET /customers/{id}/notes`, the Deny for the overmatch of
//!   the first rule, `GET/customers/*/*`, would close the second rule.
//! - [`RulesError::Within`]: with `GET /*`, `GET /admin/*` and `GET /admin/health`, a token that opens the first and
//!   the third rule needs a Deny for the second, `GET/admin/*`, which would close the third.
//!
//! Conditions count: a Deny is not needed for rules that are never closed while the others are open, because they have
//! the same condition or `any`.
//!
//! ```
//! use countersign_policy::access::{AccessRules, RulesError};
//!
//! let rules = r#"[
//!     {"route": "GET /customers/{id}", "scope": "customers:read"},
//!     {"route": "GET /customers/{id}/notes", "scope": "notes:read"}
//! ]"#;
//! assert!(matches!(rules.parse::<AccessRules>(), Err(RulesError::Below(..))));
//! assert!(rules.replace("{id}", "*").parse::<AccessRules>().is_ok());
//! ```
//!
//! # Other spellings of a path
//!
//! A backend may decode a path, merge its slashes or ignore case. So a request is also closed if a rule closes its path
//! after any combination of these steps ([`ForbidReason::ClosedSpelling`]), or if a backend may rewrite it
//! ([`ForbidReason::AmbiguousPath`]).

mod api;
mod condition;
mod error;
mod forbid_reason;
mod iam_policy;
mod method_rules;
mod open_rules;
mod path;
mod route;
mod rule;
mod rules;
mod stage;
mod warning;

pub use api::Api;
pub use condition::ConditionError;
pub use error::{DenyConflict, RouteError, RulesError};
pub use forbid_reason::ForbidReason;
pub use iam_policy::{PolicyRequest, deny_all, policy};
pub use open_rules::{Access, LazyAccess, OpenRules};
pub use route::Route;
pub use rules::{AccessRules, Explained};
pub use stage::{InvalidArn, Stage};
pub use warning::Warning;
