use serde_json::{Value, json};

use super::{AUDIENCE, ISSUER, NO_RULE};
use crate::example::Example;

#[tokio::test]
async fn one_role_gets_tokens() {
    let example = Example::read("aws-account", json!({"alg": "ES384", "use": "sig"}));
    let granted = json!({
        "sub": "arn:aws:iam::111122223333:role/orders-worker", "aud": "https://api.example",
        "scope": "orders:read orders:write", "account": "111122223333",
    });
    assert_eq!(example.granted_claims().await, granted);
    let aws = |claims: Value| json!({"https://sts.amazonaws.com/": claims});
    // The caller chooses the tags of its request.
    let role_with_tags = json!({
        "sub": "arn:aws:iam::111122223333:role/intern",
        "https://sts.amazonaws.com/": {"request_tags": {
            "role": "orders-worker", "sub": "arn:aws:iam::111122223333:role/orders-worker",
        }},
    });
    let session = "arn:aws:sts::111122223333:assumed-role/orders-worker/i-1";
    let other_account = "https://00000000-5e6f-4a1b-8c2d-3e4f5a6b7c8d.tokens.sts.global.api.aws";
    example
        .assert_outcomes(&[
            ("other tags", aws(json!({"request_tags": null, "principal_tags": null})), "granted"),
            ("another role with tags of the request", role_with_tags, NO_RULE),
            (
                "a longer name",
                json!({"sub": "arn:aws:iam::111122223333:role/orders-worker2"}),
                NO_RULE,
            ),
            ("a user", json!({"sub": "arn:aws:iam::111122223333:user/orders-worker"}), NO_RULE),
            ("a session", json!({"sub": session}), NO_RULE),
            ("another account", json!({"iss": other_account}), ISSUER),
            ("another account in the claim", aws(json!({"aws_account": "999999999999"})), NO_RULE),
            ("no claims of AWS", aws(Value::Null), NO_RULE),
            ("the audience of AWS", json!({"aud": "sts.amazonaws.com"}), AUDIENCE),
            ("too old", json!({"iat": 1_767_225_000 - 1}), "invalid_grant TooOld"),
        ])
        .await;
}
