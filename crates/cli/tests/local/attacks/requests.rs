//! The requests of callers.

use local::{Bytes, Request};
use serde_json::{Value, json};

use super::scene::{API, UNPROVEN, merged};
use crate::{SIGV4, token_endpoint::form};

/// A grant of type `jwt-bearer`, with a client id without proof.
pub(super) fn grant(assertion: &str) -> Request<Bytes> {
    grant_with(assertion, &[("client_id", UNPROVEN)])
}

pub(super) fn grant_with(assertion: &str, more: &[(&str, &str)]) -> Request<Bytes> {
    let parameters = [("grant_type", JWT_BEARER), ("assertion", assertion)];
    post_form(&[&parameters, more].concat())
}

/// A grant of type `client_credentials`.
pub(super) fn authenticate(assertion: &str) -> Request<Bytes> {
    authenticate_with(assertion, &[])
}

pub(super) fn authenticate_with(assertion: &str, more: &[(&str, &str)]) -> Request<Bytes> {
    let grant = [("grant_type", "client_credentials")];
    post_form(&[&grant, &client_assertion(assertion)[..], more].concat())
}

/// A request of a caller from IAM whose rule has `"claims": "*"`.
pub(super) fn request_claims(changes: &Value) -> Request<Bytes> {
    let claims = merged(json!({"sub": "test-user", "aud": API}), changes);
    let request = Request::post("/token")
        .header("content-type", "application/json")
        .header("x-amz-date", "20261123T000000Z")
        .header("authorization", SIGV4);
    request.body(json!({"claims": claims}).to_string().into()).unwrap()
}

pub(super) fn whoami(token: &str) -> Request<Bytes> {
    let request = Request::get("/whoami").header("authorization", format!("Bearer {token}"));
    request.body(Bytes::new()).unwrap()
}

/// The parameters of a client assertion.
pub(super) fn client_assertion(assertion: &str) -> [(&str, &str); 2] {
    [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
}

pub(super) fn post_form(parameters: &[(&str, &str)]) -> Request<Bytes> {
    let request = Request::post("/oauth2/token")
        .header("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
    request.body(form(parameters).into()).unwrap()
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
