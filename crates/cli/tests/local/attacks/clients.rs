//! Clients that claim another identity.

use serde_json::json;

use super::{
    attacks,
    requests::{authenticate_with, client_assertion, grant, grant_with, post_form},
    scene::{CLIENT, UNPROVEN},
};

attacks! {
    unproven_client_id(scene): "an unproven `client_id` with a valid assertion: it is ignored"
        => (200, "", "", 2, 1) { grant(&scene.job_with(&json!({}))) }
    client_id_of_another_client(scene): "a `client_id` that is not the client of the assertion"
        => (400, "invalid_client", "", 1, 0) {
        authenticate_with(&scene.credentials_with(&json!({})), &[("client_id", UNPROVEN)])
    }
    client_id_alone(_scene): "a `client_id` without an assertion"
        => (400, "invalid_client", "", 0, 0) {
        post_form(&[("grant_type", "client_credentials"), ("client_id", CLIENT), ("scope", UNPROVEN)])
    }
    client_secret(_scene): "a client secret"
        => (400, "invalid_client", "", 0, 0) {
        post_form(&[("grant_type", "client_credentials"), ("client_id", CLIENT), ("client_secret", UNPROVEN)])
    }
    assertion_and_secret(scene): "a client assertion and a secret"
        => (400, "invalid_request", "", 0, 0) {
        authenticate_with(&scene.credentials_with(&json!({})), &[("client_secret", UNPROVEN)])
    }
    refused_client_with_a_valid_grant(scene): "a valid grant, with an expired client assertion"
        => (400, "invalid_client", "Expired", 0, 0) {
        let credentials = scene.credentials_with(&json!({"exp": 1}));
        grant_with(&scene.job_with(&json!({})), &client_assertion(&credentials))
    }
    refused_grant_with_a_valid_client(scene): "an expired grant, with a valid client assertion"
        => (400, "invalid_grant", "Expired", 0, 0) {
        let credentials = scene.credentials_with(&json!({}));
        grant_with(&scene.job_with(&json!({"exp": 1})), &client_assertion(&credentials))
    }
    repeated_parameter(scene): "a parameter that is there twice"
        => (400, "invalid_request", "", 0, 0) {
        grant_with(&scene.job_with(&json!({})), &[("assertion", UNPROVEN)])
    }
}
