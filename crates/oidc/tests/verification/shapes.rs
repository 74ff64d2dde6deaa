//! Tokens in the shape of real providers: their claims, their length and their audiences are accepted.

use serde_json::{Value, json};

use crate::{
    NOW,
    Outcome::Valid,
    outcome,
    provider::Provider,
    tokens::{SigningKey, merged},
    verifier,
};

fn rs256(kid: &str) -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": kid, "x5t": kid})
}

/// The claims of a job of GitHub Actions that uses a reusable workflow and an environment.
fn github() -> Value {
    let repository = "acme-corporation/customer-order-management-service";
    let workflow =
        format!("{repository}/.github/workflows/deploy-to-production.yaml@refs/heads/main");
    json!({
        "actor": "octocat", "actor_id": "12345678", "aud": "https://api.example",
        "base_ref": "", "check_run_id": "51234567890", "enterprise": "acme", "enterprise_id": "1234",
        "environment": "production", "environment_node_id": "EN_kwDOABCDEF5wXYZ1",
        "event_name": "workflow_dispatch", "exp": NOW + 300, "head_ref": "", "iat": NOW,
        "iss": "https://token.actions.githubusercontent.com",
        "job_workflow_ref": workflow, "job_workflow_sha": "0123456789abcdef0123456789abcdef01234567",
        "jti": "0f9c7d5e-1b2a-4c3d-8e4f-5a6b7c8d9e0f", "nbf": NOW - 300,
        "ref": "refs/heads/main", "ref_protected": "true", "ref_type": "branch",
        "repo_property_team": "orders", "repository": repository, "repository_id": "123456789",
        "repository_owner": "acme-corporation", "repository_owner_id": "87654321",
        "repository_visibility": "private", "run_attempt": "1", "run_id": "16123456789",
        "run_number": "1042", "runner_environment": "github-hosted",
        "sha": "0123456789abcdef0123456789abcdef01234567",
        "sub": "repo:acme-corporation@87654321/customer-order-management-service@123456789:environment:production",
        "workflow": "Deploy to production", "workflow_ref": workflow,
        "workflow_sha": "0123456789abcdef0123456789abcdef01234567",
    })
}

/// The claims of a user of Entra ID with as many groups as a token can have (200).
fn entra() -> Value {
    let id = |number: u32| format!("{number:08x}-1111-4222-8333-444444444444");
    json!({
        "aud": "11111111-2222-4333-8444-555555555555", "aio": "A".repeat(120),
        "exp": NOW + 4000, "groups": (0..200).map(id).collect::<Vec<_>>(), "iat": NOW, "idp": id(900),
        "iss": "https://login.microsoftonline.com/99999999-2222-4333-8444-555555555555/v2.0",
        "name": "Ann Example", "nbf": NOW, "oid": id(901), "preferred_username": "ann@acme.example",
        "rh": "0.".to_owned() + &"B".repeat(60), "sub": "C".repeat(43), "tid": id(902),
        "uti": "D".repeat(22), "ver": "2.0", "wids": [id(903), id(904)],
    })
}

/// The claims of a projected token of a Kubernetes service account.
fn kubernetes() -> Value {
    let object = |name: &str| json!({"name": name, "uid": "8a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"});
    json!({
        "aud": ["https://api.example"], "exp": NOW + 3607, "iat": NOW,
        "iss": "https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
        "jti": "5d3c2b1a-0f9e-4d8c-b7a6-958473625140",
        "kubernetes.io": {
            "namespace": "orders", "node": object("ip-10-0-1-23.eu-central-1.compute.internal"),
            "pod": object("orders-worker-7d9c8b6f5-x2z4q"), "serviceaccount": object("orders-worker"),
            "warnafter": NOW + 3607,
        },
        "nbf": NOW, "sub": "system:serviceaccount:orders:orders-worker",
    })
}

/// The claims of a token of a service account of Google Cloud.
fn google() -> Value {
    json!({
        "aud": "https://api.example", "azp": "108123456789012345678", "email": "job@acme.iam.gserviceaccount.com",
        "email_verified": true, "exp": NOW + 3600, "google": {"compute_engine": {
            "instance_creation_timestamp": NOW - 9999, "instance_id": "152986662232938449",
            "instance_name": "orders", "project_id": "acme", "project_number": 739_419_398_126_u64,
            "zone": "europe-west3-c"}},
        "iat": NOW, "iss": "https://accounts.google.com", "sub": "108123456789012345678",
    })
}

#[tokio::test]
async fn tokens_of_real_providers_are_accepted() {
    let key = SigningKey::rsa();
    let entra_header = json!({"typ": "JWT", "alg": "RS256", "x5t": "k", "kid": "k", "nonce": "n"});
    let rows = [
        (
            "GitHub Actions",
            github(),
            rs256("k"),
            json!({"issuer": github()["iss"], "audience": "https://api.example", "max_age_seconds": 600,
            "required_claims": {"repository_id": "123456789", "environment": "production"}}),
            2000..4000,
        ),
        (
            "Entra ID with 200 groups",
            entra(),
            entra_header,
            json!({"issuer": entra()["iss"], "audience": entra()["aud"], "subject_claim": "oid"}),
            11_000..16_384,
        ),
        (
            "Kubernetes",
            kubernetes(),
            json!({"alg": "RS256", "kid": "k"}),
            json!({"issuer": kubernetes()["iss"], "audience": "https://api.example"}),
            1000..3000,
        ),
        (
            "Google",
            google(),
            rs256("k"),
            json!({"issuer": google()["iss"], "audience": "https://api.example", "required_claims": {"email_verified": true}}),
            900..2000,
        ),
    ];
    for (name, claims, header, entry, length) in rows {
        // The keys of Entra ID have no `alg`, those of all others have it.
        let provider = Provider::start(&[key.jwk("k")]).await;
        let jwks_uri = json!({"jwks_uri": format!("{}/keys", provider.url)});
        let verifier = verifier(&[merged(entry, jwks_uri)]);
        let token = key.sign(&header, &claims);
        assert!(length.contains(&token.len()), "{name}: {} bytes", token.len());
        assert_eq!(outcome(&verifier, &token, NOW).await, Valid, "{name}");
    }
}
