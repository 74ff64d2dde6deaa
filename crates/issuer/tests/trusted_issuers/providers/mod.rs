//! For each provider, the outcome of tokens of other callers. The rows that apply to all providers are in `example.rs`.

mod auth0;
mod auth0_users;
mod aws_account;
mod cognito;
mod entra_id;
mod github_actions;
mod gitlab_ci;
mod google;
mod kubernetes;
mod spiffe;

use serde_json::{Value, json};

/// The examples with a test in this folder.
pub(crate) const NAMES: [&str; 11] = [
    "auth0",
    "auth0-users",
    "aws-account",
    "cognito",
    "entra-id-v1",
    "entra-id-v2",
    "github-actions",
    "gitlab-ci",
    "google",
    "kubernetes",
    "spiffe",
];

const AUDIENCE: &str = "invalid_grant Audience";
const CLAIM: &str = "invalid_grant RequiredClaim";
const ISSUER: &str = "invalid_grant Issuer";
const NO_RULE: &str = "unauthorized_client";

/// The members of a key that most providers publish.
fn rs256_key() -> Value {
    json!({"alg": "RS256", "use": "sig"})
}
