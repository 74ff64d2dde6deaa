use serde_json::json;

use super::{AUDIENCE, ISSUER, NO_RULE, rs256_key};
use crate::example::Example;

#[tokio::test]
async fn one_service_account_gets_tokens() {
    let example = Example::read("google", rs256_key());
    let granted = json!({
        "sub": "google:108123456789012345678", "aud": "https://api.example",
        "scope": "orders:read orders:write",
    });
    assert_eq!(example.granted_claims().await, granted);
    // Each customer of Google Cloud can have a token with this audience.
    let other_project = json!({
        "sub": "119999999999999999999", "azp": "119999999999999999999",
        "email": "orders-worker@mallory.iam.gserviceaccount.com",
        "google": {"compute_engine": {"project_id": "mallory", "project_number": 1}},
    });
    let same_email = json!({"sub": "119999999999999999999", "azp": "119999999999999999999"});
    let gcloud = "32555940559.apps.googleusercontent.com";
    example
        .assert_outcomes(&[
            ("no instance", json!({"google": null, "email": null}), "granted"),
            ("a service account of another project", other_project, NO_RULE),
            ("a new account with the same email", same_email, NO_RULE),
            ("the default audience of gcloud", json!({"aud": gcloud, "azp": gcloud}), AUDIENCE),
            (
                "workload identity federation",
                json!({"aud": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p"}),
                AUDIENCE,
            ),
            ("the other name of Google", json!({"iss": "accounts.google.com"}), ISSUER),
            (
                "a token that the account signed itself",
                json!({"iss": "orders-worker@acme-orders.iam.gserviceaccount.com"}),
                ISSUER,
            ),
            ("too old", json!({"iat": 1_767_222_000 - 1}), "invalid_grant TooOld"),
        ])
        .await;
}
