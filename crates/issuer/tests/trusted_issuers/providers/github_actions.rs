use serde_json::json;

use super::{AUDIENCE, CLAIM, ISSUER, NO_RULE, rs256_key};
use crate::example::Example;

#[tokio::test]
async fn jobs_of_one_repository_get_tokens() {
    let example = Example::read("github-actions", rs256_key());
    let granted = json!({
        "sub": "github:123456789", "aud": "https://api.example", "scope": "deployments:write",
        "commit": "0123456789abcdef0123456789abcdef01234567", "run": "16123456789",
    });
    assert_eq!(example.granted_claims().await, granted);
    let pull_request = json!({
        "event_name": "pull_request", "ref": "refs/pull/7/merge", "base_ref": "main", "head_ref": "fix",
        "ref_protected": "false", "environment": null, "environment_node_id": null,
        "sub": "repo:acme@1234567/orders@123456789:pull_request",
    });
    // The job runs in the context of the default branch, but can run code of the pull request.
    let pull_request_target = json!({
        "event_name": "pull_request_target", "base_ref": "main", "head_ref": "fix",
    });
    let default_audience = json!({"aud": "https://github.com/acme"});
    let other_owner = json!({
        "repository": "acme/orders", "repository_id": "999", "repository_owner_id": "666",
        "sub": "repo:acme@666/orders@999:environment:production",
    });
    example
        .assert_outcomes(&[
            ("the repository after a new name", json!({"repository": "acme/shop"}), "granted"),
            (
                "an older form of sub",
                json!({"sub": "repo:acme/orders:ref:refs/heads/main"}),
                "granted",
            ),
            ("started by hand", json!({"event_name": "workflow_dispatch"}), "granted"),
            ("another repository of the owner", json!({"repository_id": "987654321"}), NO_RULE),
            ("the same names with another owner", other_owner, CLAIM),
            ("a fork", json!({"repository_id": "5", "repository_owner_id": "6"}), CLAIM),
            ("a pull request", pull_request, NO_RULE),
            ("a pull request in the environment", json!({"event_name": "pull_request"}), NO_RULE),
            ("pull_request_target", pull_request_target, NO_RULE),
            ("a comment", json!({"event_name": "issue_comment"}), NO_RULE),
            ("another branch", json!({"ref": "refs/heads/fix"}), NO_RULE),
            ("a tag with the name", json!({"ref": "refs/tags/main", "ref_type": "tag"}), NO_RULE),
            ("another environment", json!({"environment": "staging"}), NO_RULE),
            ("no environment", json!({"environment": null}), NO_RULE),
            ("the default audience", default_audience, AUDIENCE),
            ("the audience of AWS", json!({"aud": "sts.amazonaws.com"}), AUDIENCE),
            ("too old", json!({"iat": 1_767_225_000 - 1}), "invalid_grant TooOld"),
            (
                "GitHub Enterprise Server",
                json!({"iss": "https://github.acme.example/_services/token"}),
                ISSUER,
            ),
        ])
        .await;
}
