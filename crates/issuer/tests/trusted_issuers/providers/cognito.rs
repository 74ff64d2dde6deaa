use serde_json::json;

use super::{AUDIENCE, CLAIM, ISSUER, NO_RULE, rs256_key};
use crate::example::Example;

#[tokio::test]
async fn users_of_one_group_get_tokens() {
    let example = Example::read("cognito", rs256_key());
    let granted = json!({
        "sub": "cognito:73941812-a0d1-7053-2b1a-3a7b9d3f0c11", "aud": "https://api.example",
        "scope": "orders:read orders:write",
    });
    assert_eq!(example.granted_claims().await, granted);
    let pool = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_IhGfEdCbA";
    let client = "1example23456789abcdefghij";
    let access_token = json!({
        "aud": null, "at_hash": null, "client_id": client, "token_use": "access",
        "scope": "openid aws.cognito.signin.user.admin", "username": "ann", "version": 2,
    });
    let access_token_for_resource = json!({"token_use": "access", "client_id": client});
    example
        .assert_outcomes(&[
            ("another user of the group", json!({"cognito:username": "bob"}), "granted"),
            ("a user of no group", json!({"cognito:groups": null}), NO_RULE),
            ("a user of another group", json!({"cognito:groups": ["operators-eu"]}), NO_RULE),
            ("another user pool", json!({"iss": pool}), ISSUER),
            ("another app client", json!({"aud": "2example23456789abcdefghij"}), AUDIENCE),
            ("an access token", access_token, AUDIENCE),
            ("an access token with an audience", access_token_for_resource, CLAIM),
            ("too old", json!({"iat": 1_767_222_000 - 1}), "invalid_grant TooOld"),
        ])
        .await;
}
