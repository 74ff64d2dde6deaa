use serde_json::json;

use super::{AUDIENCE, ISSUER, NO_RULE, rs256_key};
use crate::example::Example;

#[tokio::test]
async fn one_application_gets_tokens() {
    let example = Example::read("auth0", rs256_key());
    let granted = json!({
        "sub": "auth0:awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients", "aud": "https://api.example",
        "scope": "orders:read orders:write",
    });
    assert_eq!(example.granted_claims().await, granted);
    let user = json!({
        "sub": "auth0|6553da60a54af58e29493993", "gty": null,
        "aud": ["https://api.example", "https://acme.eu.auth0.com/userinfo"],
    });
    let user_without_openid = json!({"sub": "auth0|6553da60a54af58e29493993", "gty": null});
    let management = "https://acme.eu.auth0.com/api/v2/";
    example
        .assert_outcomes(&[
            ("another application", json!({"sub": "other@clients", "azp": "other"}), NO_RULE),
            ("a user", user_without_openid, NO_RULE),
            ("a user with openid", user, AUDIENCE),
            ("another tenant", json!({"iss": "https://mallory.eu.auth0.com/"}), ISSUER),
            ("a custom domain", json!({"iss": "https://login.acme.example/"}), ISSUER),
            ("another API", json!({"aud": "https://billing.example"}), AUDIENCE),
            ("the management API", json!({"aud": management}), AUDIENCE),
            ("an ID token", json!({"aud": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx"}), AUDIENCE),
            ("too old", json!({"iat": 1_767_222_000 - 1}), "invalid_grant TooOld"),
        ])
        .await;
    // The profile of RFC 9068, which an API can have.
    example.assert_granted_with_header(json!({"typ": "at+jwt"})).await;
}
