use serde_json::json;

use super::{AUDIENCE, ISSUER, NO_RULE, rs256_key};
use crate::example::Example;

const API: &str = "https://api.example";
const ROLES: &str = "https://acme.example/roles";
const USER_INFO: &str = "https://acme.eu.auth0.com/userinfo";

#[tokio::test]
async fn users_of_one_role_get_tokens() {
    let example = Example::read("auth0-users", rs256_key()).with_audience_in_rule();
    let granted = json!({
        "sub": "auth0-user:auth0|6553da60a54af58e29493993", "aud": API, "scope": "orders:read orders:write",
    });
    assert_eq!(example.granted_claims().await, granted);
    let access_token = json!({"aud": [API, USER_INFO], "scope": "openid profile", "nonce": null});
    let access_token_without_openid = json!({"aud": API, "scope": "orders:read", "nonce": null});
    let role_without_action = json!({ROLES: null, "roles": ["operators"]});
    let other_namespace = json!({ROLES: null, "https://mallory.example/roles": ["operators"]});
    example
        .assert_outcomes(&[
            ("another user with the role", json!({"sub": "google-oauth2|10876"}), "granted"),
            ("a user after a new name", json!({"email": "bob@acme.example"}), "granted"),
            ("a user of no role", json!({ROLES: []}), NO_RULE),
            ("a user of another role", json!({ROLES: ["staff"]}), NO_RULE),
            ("a role with a similar name", json!({ROLES: ["operators-eu"]}), NO_RULE),
            ("a text in place of a list", json!({ROLES: "operators"}), NO_RULE),
            ("no Action", json!({ROLES: null}), NO_RULE),
            ("another claim with the role", role_without_action, NO_RULE),
            ("another namespace", other_namespace, NO_RULE),
            ("another application", json!({"aud": "zZ9yX8wV7uT6sR5qP4oN3mL2kJ1iH0gF"}), AUDIENCE),
            ("an access token", access_token, AUDIENCE),
            ("an access token without openid", access_token_without_openid, AUDIENCE),
            ("an access token for the user info", json!({"aud": USER_INFO}), AUDIENCE),
            ("another tenant", json!({"iss": "https://mallory.eu.auth0.com/"}), ISSUER),
            ("a custom domain", json!({"iss": "https://login.acme.example/"}), ISSUER),
            ("too old", json!({"iat": 1_767_222_000 - 1}), "invalid_grant TooOld"),
        ])
        .await;
}

/// Both examples have the same issuer, which a list has once. Its entry accepts the tokens of both, so the rules must tell
/// them apart.
#[tokio::test]
async fn users_and_applications_can_share_one_entry() {
    let users = Example::read_with("auth0-users", &["auth0"], rs256_key()).with_audience_in_rule();
    let subject = users.granted_claims().await["sub"].clone();
    assert_eq!(subject, "auth0-user:auth0|6553da60a54af58e29493993");
    let access_token = json!({"aud": API, "scope": "orders:read", "nonce": null});
    users
        .assert_outcomes(&[
            ("a user of no role", json!({ROLES: []}), NO_RULE),
            ("an access token with the role", access_token, NO_RULE),
        ])
        .await;
    let applications = Example::read_with("auth0", &["auth0-users"], rs256_key());
    let subject = applications.granted_claims().await["sub"].clone();
    assert_eq!(subject, "auth0:awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients");
    let other = json!({"sub": "other@clients", "azp": "other"});
    let with_role = json!({"sub": "other@clients", "azp": "other", ROLES: ["operators"]});
    applications
        .assert_outcomes(&[
            ("another application", other, NO_RULE),
            ("another application with the role", with_role, NO_RULE),
        ])
        .await;
}
