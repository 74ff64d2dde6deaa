//! The stack of `countersign local`: tokens, requests, and events without the gateway.

use std::{env, fs, process::Stdio, time::Duration};

use local::{Bytes, Request, Stack, http, lambda::FunctionError};
use serde_json::{Value, json};

use crate::{ALIAS, Local, TEMPLATE, command, options, to_text};

#[test]
fn demo_with_closed_output_is_a_fault() {
    let mut child =
        command(&["demo"], &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), to_text(&output.stderr)), (Some(3), String::new()));
}

#[tokio::test]
async fn tokens_are_issued_and_requests_are_authorized() {
    let local = Local::start(&[]);
    let token = local.token().await;
    let (status, body) = local.whoami(&format!("bearer {token}")).await;
    assert_eq!((status, body["sub"].as_str()), (200, Some("test-user")), "{body}");

    let unauthorized = json!({"message": "Unauthorized"});
    for (name, authorization) in [
        ("no credentials", String::new()),
        ("another scheme", format!("Basic {token}")),
        ("not a token", "Bearer nonsense".into()),
        ("two tokens", format!("Bearer {token}, Bearer {token}")),
    ] {
        assert_eq!(local.whoami(&authorization).await, (401, unauthorized.clone()), "{name}");
    }

    // A parameter name that serde_json's `Value` treats as its own marker.
    let odd = Request::get("/whoami?$serde_json::private::RawValue=x");
    let odd = odd.header("authorization", &format!("Bearer {token}")).body(Bytes::new()).unwrap();
    assert_eq!(local.send(odd).await.0, 200);

    let bearer = format!("Bearer {token}");
    let twice = Request::get("/whoami").header("authorization", &bearer);
    let twice = twice.header("authorization", &bearer).body(Bytes::new()).unwrap();
    assert_eq!(local.send(twice).await, (401, unauthorized));

    // The gateway response that the template defines.
    let without_token = Request::get("/whoami").body(Bytes::new()).unwrap();
    let answer = http::send(local.api, without_token).await.unwrap();
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");

    let huge = format!("Bearer {}", "A".repeat(100 * 1024));
    assert_eq!(local.whoami(&huge).await.0, 431);
    let (status, _) = local.whoami(&bearer).await;
    assert_eq!(status, 200, "the stack still responds");
}

/// KMS signs at most 4096 bytes with an Ed25519 key, because it takes no digest of the message.
#[tokio::test]
async fn ed25519_key_replaces_the_current_key_and_refuses_long_claims() {
    let next = ["NextSigningAlgorithm=Ed25519"];
    let local = Local::start_with(&next, &[("KEY_REFRESH_SECONDS", "1")]);
    let kms = async |operation: &str, input: Value| {
        let request =
            Request::post("/").header("x-amz-target", format!("TrentService.{operation}"));
        let request = request.body(input.to_string().into()).unwrap();
        let answer = http::send(local.kms, request).await.unwrap();
        assert_eq!(answer.status(), 200, "{operation}");
        serde_json::from_slice::<Value>(answer.body()).unwrap_or_default()
    };
    let spec = json!({"KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY"});
    let key = kms("CreateKey", spec).await["KeyMetadata"]["KeyId"].clone();
    kms("UpdateAlias", json!({"AliasName": ALIAS, "TargetKeyId": key})).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let token = local.token().await;
    assert_eq!(local.whoami(&format!("Bearer {token}")).await.0, 200);
    let long = json!({"claims": {"a": "x".repeat(4000)}}).to_string();
    let (status, answer) = local.post_token(&long).await;
    assert_eq!((status, &answer["error"]), (413, &json!("invalid_request")), "{answer}");
}

#[tokio::test]
async fn invalid_token_requests_are_refused() {
    let local = Local::start(&[("TOKEN_LIFETIME_MAX_SECONDS", "7200")]);
    let rows = [
        ("not JSON", "claims", 400),
        ("claims that are not an object", r#"{"claims":[]}"#, 400),
        ("a request for exp", r#"{"claims":{"exp":1}}"#, 400),
        ("a lifetime over the maximum", r#"{"claims":{},"expires_in":7201}"#, 400),
        ("the maximum lifetime", r#"{"claims":{},"expires_in":7200}"#, 200),
    ];
    for (name, body, expected) in rows {
        let (status, answer) = local.post_token(body).await;
        assert_eq!(status, expected, "{name}: {answer}");
        let error = (expected == 400).then_some("invalid_request");
        assert_eq!(answer["error"].as_str(), error, "{name}");
    }
    let unsigned = Request::post("/token").body(r#"{"claims":{}}"#.into()).unwrap();
    let missing = json!({"message": "Missing Authentication Token"});
    assert_eq!(local.send(unsigned).await, (403, missing));
}

/// Events that are invoked directly, without the gateway.
#[tokio::test]
async fn functions_respond_to_sample_and_malformed_events() {
    let options = options(&[]);
    let stack = Stack::start(&fs::read_to_string(TEMPLATE).unwrap(), &options).await.unwrap();
    let invoke = async |function: &str, event: Value| {
        let FunctionError { error_type, message, .. } =
            match stack.functions[function].invoke(&event).await.result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
        Err((error_type, message))
    };
    let event = |name: &str| {
        let file = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap()
    };

    let mut huge = event("authorize-no-credentials");
    huge["headers"]["Authorization"] = format!("Bearer {}", "A".repeat(100 * 1024)).into();
    let rows = [
        ("expired token", event("authorize-expired"), "Unauthorized"),
        ("no credentials", event("authorize-no-credentials"), "Unauthorized"),
        ("a 100 KB header", huge, "Unauthorized"),
        ("null", Value::Null, "Fault"),
        ("an event of the issuer", event("issue-post-token"), "Fault"),
        ("an array", json!([1]), "Fault"),
    ];
    for (name, event, expected) in rows {
        let (error_type, message) = invoke("Authorizer", event).await.unwrap_err();
        assert_eq!(error_type, expected, "{name}");
        assert_eq!(message == "Unauthorized", expected == "Unauthorized", "{name}: {message}");
    }

    let token = invoke("Issuer", event("issue-invoke")).await.unwrap();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(900)));
    let response = invoke("Issuer", event("issue-post-token")).await.unwrap();
    assert_eq!(
        (&response["statusCode"], &response["headers"]["cache-control"]),
        (&json!(200), &json!("no-store"))
    );
    let (error_type, message) = invoke("Issuer", json!([1])).await.unwrap_err();
    assert_eq!(error_type, "invalid_request", "{message}");

    let token = token["access_token"].as_str().unwrap();
    let mut good = event("authorize-no-credentials");
    good["headers"]["authorization"] = format!("Bearer {token}").into();
    let policy = invoke("Authorizer", good).await.unwrap();
    let statement = &policy["policyDocument"]["Statement"][0];
    assert_eq!(
        statement["Resource"],
        json!(METHODS.map(|method| format!(
            "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/{method}/*"
        ))),
        "the rules of layer/config"
    );
    for line in stack.logs.recent() {
        assert!(!line.text.contains(token.rsplit('.').next().unwrap()), "a token is in the log");
    }
}

/// The methods of a rule for every method.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
