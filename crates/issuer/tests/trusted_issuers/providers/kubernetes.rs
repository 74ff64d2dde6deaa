use serde_json::json;

use super::{AUDIENCE, ISSUER, NO_RULE, rs256_key};
use crate::example::Example;

#[tokio::test]
async fn pods_of_one_service_account_get_tokens() {
    let example = Example::read("kubernetes", rs256_key());
    let granted = json!({
        "sub": "k8s:production:system:serviceaccount:orders:orders-worker",
        "aud": "https://api.example", "scope": "orders:read orders:write",
        "pod": "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f",
    });
    assert_eq!(example.granted_claims().await, granted);
    let with = |namespace: &str, name: &str, uid: &str| {
        json!({
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        })
    };
    let uid = "00000000-3d4e-4f5a-8b6c-7d8e9f0a1b2c";
    let other_cluster =
        "https://oidc.eks.eu-central-1.amazonaws.com/id/FEDCBA9876543210FEDCBA9876543210";
    let default_issuer = "https://kubernetes.default.svc.cluster.local";
    example
        .assert_outcomes(&[
            ("another namespace", with("shop", "orders-worker", uid), NO_RULE),
            ("another service account", with("orders", "default", uid), NO_RULE),
            ("a new account with the name", with("orders", "orders-worker", uid), NO_RULE),
            ("sub without other claims", json!({"kubernetes.io": null}), NO_RULE),
            ("not of a pod", json!({"kubernetes.io": {"pod": null}}), NO_RULE),
            ("the same sub in another cluster", json!({"iss": other_cluster}), ISSUER),
            ("a cluster with the default name", json!({"iss": default_issuer}), ISSUER),
            ("the default audience", json!({"aud": ["https://kubernetes.default.svc"]}), AUDIENCE),
            ("the audience of AWS", json!({"aud": ["sts.amazonaws.com"]}), AUDIENCE),
            ("too old", json!({"iat": 1_767_222_000 - 1}), "invalid_grant TooOld"),
        ])
        .await;
}
