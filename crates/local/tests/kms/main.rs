//! The local KMS, request by request, as its clients see it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod errors;
mod limits;
mod lockout;
mod state;

use std::path::PathBuf;

use countersign_local::{Bytes, Request, kms::Kms};
use serde_json::{Value, json};

/// A KMS that only this test reaches.
async fn start(file: Option<PathBuf>) -> Kms {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    Kms::start(listener, "us-east-1", file).unwrap()
}

/// The status and the body of the response to a request that is signed with this access key, or not at all if it is
/// empty.
fn call_as(kms: &Kms, access_key: &str, operation: &str, input: &Value) -> (u16, Value) {
    let credential =
        format!("AWS4-HMAC-SHA256 Credential={access_key}/20261129/us-east-1/kms/aws4_request");
    let mut request =
        Request::post("/").header("x-amz-target", format!("TrentService.{operation}"));
    if !access_key.is_empty() {
        request = request.header("authorization", credential);
    }
    let response = kms.respond(&request.body(Bytes::from(input.to_string())).unwrap());
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status().as_u16(), body)
}

/// The status and the code of the error, or an empty code.
fn outcome(kms: &Kms, operation: &str, input: &Value) -> (u16, String) {
    let (status, body) = call_as(kms, "tester", operation, input);
    (status, body["__type"].as_str().unwrap_or_default().to_owned())
}

/// The id of a new key.
fn create(kms: &Kms) -> String {
    let input = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    let (status, key) = call_as(kms, "tester", "CreateKey", &input);
    assert_eq!(status, 200, "{key}");
    key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

/// Runs each row, a name with an operation, its input and the expected outcome, and reports every failing row.
fn assert_outcomes(kms: &Kms, rows: &[(&str, &str, Value, (u16, &str))]) {
    let mut failed = Vec::new();
    for (name, operation, input, (status, code)) in rows {
        let actual = outcome(kms, operation, input);
        if actual != (*status, (*code).to_owned()) {
            failed.push(format!("{name}: {actual:?}, expected {status} {code}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
