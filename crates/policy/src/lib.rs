//! Access rules, issuance policies and revocations. No network, no clock, no environment.
//!
//! | start with | for |
//! |---|---|
//! | [`access::AccessRules`] | the routes that a token opens: a decision on one route, and an IAM policy for all routes |
//! | [`issuance::IssuancePolicy`] | the tokens that a caller may request |
//! | [`revocation::Revocations`] | the tokens that are no longer accepted |
//!
//! The conditions of access rules are scopes or expressions of the Common Expression Language (CEL) over the claims. A
//! condition that is wrong ([`ExpressionError`]) and rules that no IAM policy can express ([`access::RulesError`]) are
//! refused when they are parsed. The module [`access`] explains how rules become a policy.
//!
//! # Access rules
//!
//! The request for `GET /orders/7/refunds` is closed to this token. The policy covers every route of the stage.
//!
//! ```
//!
//! use countersign_policy::access::{AccessRules, Api, ForbidReason, PolicyRequest, Stage, policy};
//! use jwt::{JwkSet, KeySetVerifier, UnixTime, UnverifiedToken, Validation};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rules: AccessRules = r#"[
//!     {"route": "GET /orders/*", "scope": "orders:read"},
//!     {"route": "GET /orders/*/refunds", "when": "claims.sub == 'auditor'"}
//! ]"#
//! .parse()?;
//!
//! // The claims of the token: {"sub":"ann","scope":"orders:read","exp":2000}
//! let token = "eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiJhbm4iLCJzY29wZSI6Im9yZGVyczpyZWFkIiwiZXhwIjoyMDAwfQ.\
//!              Wo5iSt8nTmctmLVuX2CVMXmPi_AjAXCeBDLUv__3cEmgx2_rQY-E40cW5shtQmU0MEej2gHfoUBzbF7sHtJoBg";
//! let keys = JwkSet::read(
//!     br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"X_Tj_2cDUxnzDbruvzxvGvPy_OxgkkBJhC8yhs1dljY"}]}"#,
//! )?;
//! let validation = Validation::new(None, None);
//! let candidate = UnverifiedToken::parse(token)?.screen(&validation, UnixTime::from_seconds(1000))?;
//! let claims = candidate.confirm(&KeySetVerifier::new(&keys)?).await??;
//!
//! let request = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/GET/orders/7/refunds";
//! let (stage, route) = Stage::of_request(request)?;
//! let access = rules.access(&claims);
//! access.evaluate_for_policy(Api::Rest);
//! assert_eq!(rules.forbid_reason(&access, &route), Some(ForbidReason::ClosedRoute));
//!
//! let request = PolicyRequest { api: Api::Rest, stage: &stage, route: &route };
//! let document = policy(request, Some((&rules, &access.settle())), Some(ForbidReason::ClosedRoute));
//! let document = serde_json::to_value(&document)?;
//! let arn = |name| stage.resource(name);
//! assert_eq!(document["Statement"][0]["Effect"], "Allow");
//! assert_eq!(document["Statement"][0]["Resource"], serde_json::json!([arn("GET/orders/*")]));
//! assert_eq!(document["Statement"][1]["Effect"], "Deny");
//! assert_eq!(document["Statement"][1]["Resource"][0], arn("GET/orders/*/refunds"));
//! # Ok(())
//! # }
//! ```
//!
//! # Issuance policies
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign_policy::issuance::{
//!     Caller, DeniedField, Granted, IssuanceDefaults, IssuancePolicy, IssuanceRequest,
//! };
//! use serde_json::json;
//!
//! let policy: IssuancePolicy = r#"[{
//!     "caller": "arn:aws:iam::123456789012:role/orders",
//!     "subject": "orders-*",
//!     "scope": ["orders:read", "orders:write"],
//!     "max_lifetime": 900
//! }]"#
//! .parse()?;
//! let defaults = IssuanceDefaults {
//!     audience: Some("https://api.example"),
//!     lifetime: Duration::from_secs(3600),
//!     lifetime_max: Duration::from_secs(3600),
//! };
//! let caller = Caller::Iam("arn:aws:sts::123456789012:assumed-role/orders/session".into());
//! let decide = |claims: serde_json::Value| {
//!     let claims = claims.as_object().cloned().unwrap_or_default();
//!     let request = IssuanceRequest { claims: &claims, lifetime: None, has_clients: false };
//!     policy.grant(&request, &caller, &defaults)
//! };
//!
//! let granted = decide(json!({"sub": "orders-1", "scope": "orders:read"}));
//! assert_eq!(granted, Ok(Granted { rule: 1, lifetime: Duration::from_secs(900) }));
//!
//! let denied = decide(json!({"sub": "orders-1", "scope": "orders:delete"}));
//! assert_eq!(denied, Err(DeniedField::Scope));
//! # Ok::<(), countersign_policy::issuance::IssuancePolicyError>(())
//! ```

pub mod access;
mod cel;
mod glob;
pub mod issuance;
mod member_error;
pub mod revocation;
mod scope;

pub use cel::{ExpressionError, RegexError};
pub use scope::{has_scope_token, is_scope, is_scope_token};
