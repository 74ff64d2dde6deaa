use serde_json::{Value, json};

use super::{AUDIENCE, ISSUER, NO_RULE};
use crate::example::Example;

/// Entra ID publishes its keys without `alg`.
fn entra_key() -> Value {
    json!({"use": "sig", "x5t": "jS1Xo1OWDj_52vbwGNgvQO2VzMc", "x5c": ["MIIC"]})
}

#[tokio::test]
async fn one_application_gets_tokens_with_version_1() {
    let example = Example::read("entra-id-v1", entra_key());
    let granted = json!({
        "sub": "entra-v1:bbbbbbbb-cccc-4ddd-8eee-ffffffffffff", "aud": "https://api.example",
        "scope": "orders:read orders:write",
    });
    assert_eq!(example.granted_claims().await, granted);
    let version_2 = "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0";
    let tenant = "https://sts.windows.net/99999999-2222-4333-8444-555555555555/";
    let oid = "dddddddd-cccc-4ddd-8eee-ffffffffffff";
    example
        .assert_outcomes(&[
            ("another application", json!({"oid": oid, "sub": oid}), NO_RULE),
            ("the id in sub alone", json!({"oid": oid}), NO_RULE),
            ("no oid", json!({"oid": null}), "invalid_grant NoSubject"),
            ("another tenant", json!({"iss": tenant}), ISSUER),
            ("a token of version 2", json!({"iss": version_2, "ver": "2.0"}), ISSUER),
            ("another API", json!({"aud": "https://graph.microsoft.com"}), AUDIENCE),
            (
                "the default audience of the Azure CLI",
                json!({"aud": "https://management.core.windows.net/"}),
                AUDIENCE,
            ),
        ])
        .await;
}

#[tokio::test]
async fn one_application_gets_tokens_with_version_2() {
    let example = Example::read("entra-id-v2", entra_key());
    let granted = json!({
        "sub": "entra:bbbbbbbb-cccc-4ddd-8eee-ffffffffffff", "aud": "https://api.example",
        "scope": "orders:read orders:write",
    });
    assert_eq!(example.granted_claims().await, granted);
    let version_1 = "https://sts.windows.net/11111111-2222-4333-8444-555555555555/";
    let oid = "dddddddd-cccc-4ddd-8eee-ffffffffffff";
    let host = "https://login.microsoftonline.com";
    example
        .assert_outcomes(&[
            ("another application", json!({"oid": oid, "sub": oid}), NO_RULE),
            ("no oid", json!({"oid": null}), "invalid_grant NoSubject"),
            (
                "another tenant",
                json!({"iss": format!("{host}/99999999-2222-4333-8444-555555555555/v2.0")}),
                ISSUER,
            ),
            (
                "a personal account",
                json!({"iss": format!("{host}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0")}),
                ISSUER,
            ),
            (
                "the name of the metadata",
                json!({"iss": format!("{host}/{{tenantid}}/v2.0")}),
                ISSUER,
            ),
            ("a token of version 1", json!({"iss": version_1, "ver": "1.0"}), ISSUER),
            ("another API", json!({"aud": "00000003-0000-0000-c000-000000000000"}), AUDIENCE),
            (
                "federation with other clouds",
                json!({"aud": "api://AzureADTokenExchange"}),
                AUDIENCE,
            ),
        ])
        .await;
}
