use serde_json::json;

use super::{AUDIENCE, CLAIM, ISSUER, NO_RULE, rs256_key};
use crate::example::Example;

#[tokio::test]
async fn jobs_of_one_project_get_tokens() {
    let example = Example::read("gitlab-ci", rs256_key());
    let granted = json!({
        "sub": "gitlab:46573356", "aud": "https://api.example", "scope": "deployments:write",
        "commit": "0123456789abcdef0123456789abcdef01234567", "job": "8222997048",
    });
    assert_eq!(example.granted_claims().await, granted);
    let branch = json!({
        "ref": "fix", "ref_path": "refs/heads/fix", "ref_protected": "false",
        "sub": "project_path:acme/orders:ref_type:branch:ref:fix",
    });
    let merge_request = json!({
        "pipeline_source": "merge_request_event", "ref": "fix", "ref_protected": "false",
        "ref_path": "refs/merge-requests/7/head",
    });
    // GitLab runs the pipeline in this project, but the claims name the fork.
    let merge_request_of_fork = json!({
        "pipeline_source": "merge_request_event", "project_id": "5", "project_path": "mallory/orders",
        "namespace_id": "6", "namespace_path": "mallory",
    });
    example
        .assert_outcomes(&[
            ("the project after a new name", json!({"project_path": "acme/shop"}), "granted"),
            ("started by hand", json!({"pipeline_source": "web"}), "granted"),
            ("another project of the group", json!({"project_id": "20"}), NO_RULE),
            ("another group", json!({"namespace_id": "72"}), CLAIM),
            ("a fork", json!({"project_id": "5", "namespace_id": "6"}), CLAIM),
            ("a merge request", merge_request, NO_RULE),
            ("a merge request of a fork", merge_request_of_fork, CLAIM),
            (
                "a merge request of a protected branch",
                json!({"pipeline_source": "merge_request_event"}),
                NO_RULE,
            ),
            ("another branch", branch, NO_RULE),
            ("a tag", json!({"ref_type": "tag", "ref_path": "refs/tags/main"}), NO_RULE),
            ("the branch is not protected", json!({"ref_protected": "false"}), NO_RULE),
            ("another environment", json!({"environment": "review/fix"}), NO_RULE),
            ("no environment", json!({"environment": null}), NO_RULE),
            ("the default audience", json!({"aud": "https://gitlab.com"}), AUDIENCE),
            ("another GitLab", json!({"iss": "https://gitlab.example"}), ISSUER),
            ("too old", json!({"iat": 1_767_222_000 - 1}), "invalid_grant TooOld"),
        ])
        .await;
}
