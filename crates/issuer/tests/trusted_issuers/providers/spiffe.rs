use serde_json::json;

use super::{AUDIENCE, ISSUER, NO_RULE};
use crate::example::Example;

#[tokio::test]
async fn one_workload_gets_tokens() {
    // Keys in the form of a SPIFFE bundle.
    let example = Example::read("spiffe", json!({"use": "jwt-svid"}));
    let granted = json!({
        "sub": "spiffe://acme.example/ns/orders/sa/orders-worker", "aud": "https://api.example",
        "scope": "orders:read orders:write",
    });
    assert_eq!(example.granted_claims().await, granted);
    let sub = |sub: &str| json!({"sub": sub});
    example
        .assert_outcomes(&[
            ("another workload", sub("spiffe://acme.example/ns/orders/sa/default"), NO_RULE),
            (
                "a path below",
                sub("spiffe://acme.example/ns/orders/sa/orders-worker/debug"),
                NO_RULE,
            ),
            (
                "another trust domain",
                sub("spiffe://mallory.example/ns/orders/sa/orders-worker"),
                NO_RULE,
            ),
            ("SPIRE without jwt_issuer", json!({"iss": null}), ISSUER),
            ("another SPIRE", json!({"iss": "https://spire.mallory.example"}), ISSUER),
            ("the trust domain as the issuer", json!({"iss": "spiffe://acme.example"}), ISSUER),
            ("the audience of AWS", json!({"aud": ["sts.amazonaws.com"]}), AUDIENCE),
            ("too old", json!({"iat": 1_767_225_000 - 1}), "invalid_grant TooOld"),
        ])
        .await;
}
