//! The claims of a job, as GitHub Actions has them.

use std::time::Duration;

use jwt::UnixTime;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The requested claims with those of a job, which they replace. Claims with the value `null` are left out.
pub(super) fn complete(
    requested: Map<String, Value>,
    issuer: &str,
    now: UnixTime,
) -> Map<String, Value> {
    let mut claims = job(issuer, now);
    claims.extend(requested);
    claims.retain(|_, value| !value.is_null());
    claims
}

/// The claims of a job that deploys to an environment.
fn job(issuer: &str, now: UnixTime) -> Map<String, Value> {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let workflow = "acme/app/.github/workflows/deploy.yaml@refs/heads/main";
    let expiry = now.after(LIFETIME);
    let claims = json!({
        "iss": issuer,
        "aud": "https://github.com/acme",
        "sub": "repo:acme@1234567/app@7654321:environment:production",
        "jti": Uuid::new_v4().to_string(),
        "iat": now.seconds(),
        "nbf": now.seconds(),
        "exp": expiry.seconds(),
        "actor": "octocat",
        "actor_id": "583231",
        "environment": "production",
        "event_name": "push",
        "job_workflow_ref": workflow,
        "ref": "refs/heads/main",
        "ref_protected": "true",
        "ref_type": "branch",
        "repository": "acme/app",
        "repository_id": "7654321",
        "repository_owner": "acme",
        "repository_owner_id": "1234567",
        "repository_visibility": "private",
        "run_attempt": "1",
        "run_id": "16123456789",
        "run_number": "42",
        "runner_environment": "github-hosted",
        "sha": commit,
        "workflow": "deploy",
        "workflow_ref": workflow,
        "workflow_sha": commit,
    });
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

/// GitHub's tokens live five minutes.
const LIFETIME: Duration = Duration::from_mins(5);
