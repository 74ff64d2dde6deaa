//! The start, the deadlines and the end of an environment, as Lambda and `cargo lambda` see them.

use std::{
    slice,
    time::{Duration, Instant},
};
use testing::{InjectFaults, InjectedFault};

use serde_json::{Value, json};

use crate::{
    host::{FunctionProcess, RuntimeApi},
    stack::{Stack, rest_with_token},
};

fn endpoint(stack: &Stack) -> String {
    format!("http://{}", stack.kms.address())
}

#[tokio::test]
async fn event_that_is_not_json_in_utf_8_is_a_fault_and_the_process_continues() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let valid = rest_with_token(&stack.token_with(&json!({}))).to_string().into_bytes();
    let mut not_utf_8 = valid.clone();
    *not_utf_8.iter_mut().find(|byte| **byte == b'7').unwrap() = 0xff;
    let runtime = RuntimeApi::of_bytes(vec![not_utf_8, b"{".to_vec(), Vec::new(), valid]);
    let _running = FunctionProcess::start(&runtime.address, &endpoint(&stack), &[]);
    let log = runtime.log_after(4).await;
    let expected =
        ["next 0", "error 0", "next 1", "error 1", "next 2", "error 2", "next 3", "response 3"];
    assert_eq!(log.iter().take(8).collect::<Vec<_>>(), expected);
    for body in runtime.bodies().iter().take(3) {
        let body: Value = serde_json::from_str(body).unwrap();
        let message = "no decision on the request: see the authorizer's log";
        assert_eq!(body, json!({"errorType": "Fault", "errorMessage": message}));
    }
}

#[tokio::test]
async fn runtime_api_may_have_a_path() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let runtime = RuntimeApi::start(&[rest_with_token(&stack.token_with(&json!({})))]);
    let address = format!("http://{}/authorizer", runtime.address);
    let _running = FunctionProcess::start(&address, &endpoint(&stack), &[]);
    assert_eq!(runtime.log_after(1).await.last().unwrap(), "response 0");
}

/// `cargo lambda watch` sends a deadline ten minutes after 1970.
#[tokio::test]
async fn deadline_in_the_past_is_ignored() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let runtime = RuntimeApi::start(&[]);
    runtime.set_deadline(600_000);
    runtime.add(&rest_with_token(&stack.token_with(&json!({}))));
    let _running = FunctionProcess::start(&runtime.address, &endpoint(&stack), &[]);
    assert_eq!(runtime.log_after(1).await.last().unwrap(), "response 0");
}

#[tokio::test]
async fn failed_start_is_reported_to_lambda_with_every_problem() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let runtime = RuntimeApi::start(&[]);
    let settings = [("TOKEN_ISSUER", ""), ("VERIFICATION", "remote"), ("RUST_LOG", "trace")];
    let mut running = FunctionProcess::start(&runtime.address, &endpoint(&stack), &settings);
    assert_eq!(runtime.log_after(1).await, ["error init"]);
    assert_eq!(running.exit_code().await, Some(1));
    let body: Value = serde_json::from_str(&runtime.bodies()[0]).unwrap();
    let message = "invalid settings: RUST_LOG must not be TRACE: events are never logged; \
        TOKEN_ISSUER is required; VERIFICATION must be kms or local";
    assert_eq!(body, json!({"errorType": "Runtime.Settings", "errorMessage": message}));
}

#[tokio::test]
async fn key_that_cannot_sign_is_reported_to_lambda() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let runtime = RuntimeApi::start(&[]);
    let settings = [("SIGNING_ALGORITHM", "ES256")];
    let mut running = FunctionProcess::start(&runtime.address, &endpoint(&stack), &settings);
    assert_eq!(runtime.log_after(1).await, ["error init"]);
    assert_eq!(running.exit_code().await, Some(1));
    let body: Value = serde_json::from_str(&runtime.bodies()[0]).unwrap();
    assert_eq!(body["errorType"], "Runtime.KeyUnfit");
}

const ON_DEMAND: (&str, &str) = ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");

/// A request waits for an environment that is started on demand. KMS verifies its token while the ring is loaded.
#[tokio::test]
async fn environment_on_demand_verifies_the_first_token_while_the_ring_is_loaded() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let late = Duration::from_millis(400);
    let first_response = async |settings: &[(&str, &str)]| {
        stack.kms.inject(Some(InjectedFault::Late(late)));
        let calls = stack.kms.calls();
        let start = Instant::now();
        let runtime = RuntimeApi::start(&[rest_with_token(&stack.token_with(&json!({})))]);
        let _running = FunctionProcess::start(&runtime.address, &endpoint(&stack), settings);
        assert_eq!(runtime.log_after(1).await, ["next 0", "response 0"]);
        (start.elapsed(), stack.kms.calls() - calls)
    };
    let (on_demand, calls) = first_response(&[ON_DEMAND]).await;
    assert_eq!(calls, 2, "GetPublicKey and Verify");
    let (one_after_the_other, calls) = first_response(&[]).await;
    assert_eq!(calls, 2);
    assert!(one_after_the_other >= late * 2);
    assert!(on_demand < one_after_the_other, "{on_demand:?}, {one_after_the_other:?}");
}

/// Lambda freezes the environment after the response, so a request that needs no key waits for the ring too.
#[tokio::test]
async fn first_response_of_an_environment_on_demand_waits_for_the_load_of_the_ring() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let late = Duration::from_millis(400);
    stack.kms.inject(Some(InjectedFault::Late(late)));
    let start = Instant::now();
    let runtime = RuntimeApi::start(&[rest_with_token("x.y.z")]);
    let _running = FunctionProcess::start(&runtime.address, &endpoint(&stack), &[ON_DEMAND]);
    assert_eq!(runtime.log_after(1).await, ["next 0", "error 0"]);
    assert!(start.elapsed() >= late);
}

/// As Lambda has asked for the first event already, the start can no longer fail.
#[tokio::test]
async fn environment_on_demand_ends_after_the_response_if_its_key_cannot_sign() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let runtime = RuntimeApi::start(&[rest_with_token(&stack.token_with(&json!({})))]);
    let settings = [("SIGNING_ALGORITHM", "ES256"), ON_DEMAND];
    let mut running = FunctionProcess::start(&runtime.address, &endpoint(&stack), &settings);
    assert_eq!(runtime.log_after(1).await, ["next 0", "error 0"]);
    assert_eq!(running.exit_code().await, Some(1));
    assert_eq!(runtime.log_after(1).await, ["next 0", "error 0"], "no other event");
}

/// In an environment that was started ahead, the key that cannot sign is reported before the first event.
#[tokio::test]
async fn every_other_environment_waits_for_the_ring() {
    let stack = Stack::start("RSA_2048", &[]).await;
    for kind in ["provisioned-concurrency", "snap-start", "lambda-managed-instances", ""] {
        let runtime = RuntimeApi::start(&[rest_with_token(&stack.token_with(&json!({})))]);
        let settings = [("SIGNING_ALGORITHM", "ES256"), ("AWS_LAMBDA_INITIALIZATION_TYPE", kind)];
        let mut running = FunctionProcess::start(&runtime.address, &endpoint(&stack), &settings);
        assert_eq!(runtime.log_after(1).await, ["error init"], "{kind}");
        assert_eq!(running.exit_code().await, Some(1), "{kind}");
    }
}

/// The function's timeout is shorter than the time that KMS may take.
#[tokio::test]
async fn response_comes_before_the_deadline_of_the_invocation() {
    let stack = Stack::with_timeout(Duration::from_secs(2)).await;
    let valid = rest_with_token(&stack.token_with(&json!({})));
    stack.kms.inject(Some(InjectedFault::Silence));
    let start = Instant::now();
    let (effect, reason, _) = stack.outcome(&valid).await;
    let took = start.elapsed();
    assert_eq!((effect, &*reason), ("error", "KmsUnreachable"));
    assert!(took > Duration::from_millis(1500) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn environment_with_expired_credentials_ends_after_its_response() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let valid = rest_with_token(&stack.token_with(&json!({})));
    let runtime = RuntimeApi::start(slice::from_ref(&valid));
    let mut running = FunctionProcess::start(&runtime.address, &endpoint(&stack), &[]);
    assert_eq!(runtime.log_after(1).await.last().unwrap(), "response 0");
    stack.kms.inject(Some(InjectedFault::Error("ExpiredTokenException")));
    runtime.add(&valid);
    assert_eq!(runtime.log_after(2).await.last().unwrap(), "error 0");
    assert_eq!(running.exit_code().await, Some(1));
    assert!(
        !runtime.log_after(2).await.last().unwrap().starts_with("next"),
        "the process asked for another event"
    );
}
