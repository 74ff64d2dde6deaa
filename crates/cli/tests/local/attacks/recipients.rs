//! Assertions for another recipient, or for another time.

use serde_json::json;

use super::{
    attacks,
    requests::{authenticate, grant},
    scene::{API, UNPROVEN},
};
use crate::token_endpoint::now;

attacks! {
    wrong_audience(scene): "another `aud`"
        => (400, "invalid_grant", "Audience", 0, 0) {
        grant(&scene.job_with(&json!({"aud": UNPROVEN})))
    }
    missing_audience(scene): "no `aud`"
        => (400, "invalid_grant", "Audience", 0, 0) {
        grant(&scene.job_with(&json!({"aud": null})))
    }
    additional_audience(scene): "a second `aud`"
        => (400, "invalid_grant", "Audience", 0, 0) {
        grant(&scene.job_with(&json!({"aud": [API, "https://other.example"]})))
    }
    token_endpoint_as_the_audience_of_a_client(scene): "the token endpoint as `aud` of a client assertion"
        => (400, "invalid_client", "Audience", 0, 0) {
        authenticate(&scene.credentials_with(&json!({"aud": scene.token_endpoint()})))
    }
    issuer_and_token_endpoint_as_the_audience_of_a_client(scene): "issuer and token endpoint as `aud` of a client assertion"
        => (400, "invalid_client", "Audience", 0, 0) {
        let audiences = [scene.issuer(), scene.token_endpoint()];
        authenticate(&scene.credentials_with(&json!({"aud": audiences})))
    }
    expired(scene): "expired (`exp`)"
        => (400, "invalid_grant", "Expired", 0, 0) {
        grant(&scene.job_with(&json!({"exp": now()})))
    }
    no_expiry(scene): "no `exp`"
        => (400, "invalid_grant", "NoExpiry", 0, 0) {
        grant(&scene.job_with(&json!({"exp": null})))
    }
    not_valid_yet(scene): "not valid yet (`nbf`)"
        => (400, "invalid_grant", "NotYetValid", 0, 0) {
        grant(&scene.job_with(&json!({"nbf": now() + 120})))
    }
    issued_in_the_future(scene): "issued in the future (`iat`)"
        => (400, "invalid_grant", "IssuedInFuture", 0, 0) {
        grant(&scene.job_with(&json!({"iat": now() + 120})))
    }
    too_old(scene): "older than `max_age_seconds`"
        => (400, "invalid_grant", "TooOld", 0, 0) {
        grant(&scene.strict_job_with(&json!({"iat": now() - 301})))
    }
    no_time_of_issue(scene): "no `iat`, with `max_age_seconds`"
        => (400, "invalid_grant", "NoIssueTime", 0, 0) {
        grant(&scene.strict_job_with(&json!({"iat": null})))
    }
    expires_too_late(scene): "`exp` more than 25 hours ahead"
        => (400, "invalid_grant", "ExpiresTooLate", 0, 0) {
        grant(&scene.job_with(&json!({"exp": now() + 25 * 3600 + 60})))
    }
    client_assertion_expires_too_late(scene): "`exp` of a client assertion more than an hour ahead"
        => (400, "invalid_client", "ExpiresTooLate", 0, 0) {
        authenticate(&scene.credentials_with(&json!({"exp": now() + 3600 + 60})))
    }
}
