//! Repeated tokens with `SIGNATURE_CACHE_SECONDS`.

use std::{env, fs, process, time::Duration};

use serde_json::{Value, json};
use testing::{InjectFaults, InjectedFault};

use crate::{
    host::{FunctionProcess, RuntimeApi},
    stack::{ISSUER, Outcome, STAGE, Stack, now, rest_with_token, startup_problems, unauthorized},
};

const CACHE: (&str, &str) = ("SIGNATURE_CACHE_SECONDS", "300");

fn allowed(calls: u64) -> Outcome {
    ("Allow", "Allowed".to_owned(), calls)
}

#[test]
fn cache_of_more_than_five_minutes_prevents_the_start() {
    let problems = startup_problems(&[("SIGNATURE_CACHE_SECONDS", "301")]);
    assert!(
        problems.contains("SIGNATURE_CACHE_SECONDS must be from 0 to 300 seconds"),
        "{problems}"
    );
}

#[tokio::test]
async fn without_the_setting_every_signature_is_verified() {
    let stack = Stack::start("RSA_2048", &[("SIGNATURE_CACHE_SECONDS", "0")]).await;
    let valid = rest_with_token(&stack.token_with(&json!({})));
    for _ in 0..2 {
        assert_eq!(stack.outcome(&valid).await, allowed(1));
    }
    let lines = stack.logs.recent();
    assert!(lines.iter().all(|line| !line.text.contains("SignatureCached")), "{lines:?}");
}

#[tokio::test]
async fn hit_costs_no_call_and_is_counted() {
    let rules = json!([{"route": "GET /orders/{id}", "scope": "read"}]).to_string();
    let stack = Stack::start("RSA_2048", &[CACHE, ("ACCESS_RULES", &rules)]).await;
    let open = rest_with_token(&stack.token_with(&json!({"scope": "read"})));
    let closed = rest_with_token(&stack.token_with(&json!({"scope": "write"})));
    let forbidden = |calls| ("Deny", "ClosedRoute".to_owned(), calls);
    assert_eq!(stack.outcome(&open).await.2, 1);
    assert_eq!(stack.outcome(&open).await.2, 0);
    assert_eq!(stack.outcome(&closed).await, forbidden(1));
    assert_eq!(stack.outcome(&closed).await, forbidden(0), "the rules decide each time");
    assert_eq!(stack.outcome(&rest_with_token("x.y.z")).await.0, "Unauthorized");
    let lines = stack.logs.recent();
    let cached: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(&line.text).unwrap()["SignatureCached"].take())
        .collect();
    assert_eq!(json!(cached), json!([0, 1, 0, 1, null]));
}

/// Every check of the token but its signature is done each time.
#[tokio::test]
async fn token_that_expires_is_rejected_while_its_signature_is_cached() {
    let stack = Stack::start("RSA_2048", &[CACHE]).await;
    let expiring = rest_with_token(&stack.token_with(&json!({"exp": now() + 3})));
    assert_eq!(stack.outcome(&expiring).await, allowed(1));
    assert_eq!(stack.outcome(&expiring).await, allowed(0));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stack.outcome(&expiring).await, unauthorized("Expired"));
}

#[tokio::test]
async fn route_of_a_cached_token_is_checked_each_time() {
    let rules = json!([{"route": "GET /orders/*", "any": true}]).to_string();
    let stack = Stack::start("RSA_2048", &[CACHE, ("ACCESS_RULES", &rules)]).await;
    let open = rest_with_token(&stack.token_with(&json!({})));
    let mut other = open.clone();
    other["methodArn"] = format!("{STAGE}/GET/customers/7").into();
    assert_eq!(stack.outcome(&open).await.2, 1);
    assert_eq!(stack.outcome(&other).await, ("Allow and Deny", "ClosedRoute".to_owned(), 0));
}

#[tokio::test]
async fn faults_of_kms_do_not_affect_a_cached_token() {
    let faults = [
        (InjectedFault::Error("ThrottlingException"), "KmsThrottled"),
        (InjectedFault::Error("KMSInternalException"), "KmsUnavailable"),
        (InjectedFault::Error("AccessDeniedException"), "AccessDenied"),
        (InjectedFault::Error("DisabledException"), "KeyState"),
        (InjectedFault::Page, "KmsUnreachable"),
        (InjectedFault::Response(200, "{}"), "KmsInvalidResponse"),
    ];
    let stack = Stack::start("RSA_2048", &[CACHE]).await;
    let seen = rest_with_token(&stack.token_with(&json!({"jti": "seen"})));
    assert_eq!(stack.outcome(&seen).await, allowed(1));
    for (fault, cause) in faults {
        let unseen = rest_with_token(&stack.token_with(&json!({"jti": format!("{fault:?}")})));
        stack.kms.inject(Some(fault));
        assert_eq!(stack.outcome(&seen).await, allowed(0), "{fault:?}");
        for _ in 0..2 {
            let (effect, reason, _) = stack.outcome(&unseen).await;
            assert_eq!((effect, &*reason), ("error", cause), "{fault:?}: a fault is not kept");
        }
        stack.kms.inject(None);
        assert_eq!(stack.outcome(&unseen).await, allowed(1), "{fault:?}");
    }
}

#[tokio::test]
async fn simultaneous_requests_with_one_token_ask_kms_once_or_a_few_times() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let valid = rest_with_token(&stack.token_with(&json!({})));
    let runtime = RuntimeApi::start(&vec![valid; 64]);
    let endpoint = format!("http://{}", stack.kms.address());
    let calls = stack.kms.calls();
    stack.kms.inject(Some(InjectedFault::Late(Duration::from_millis(20))));
    let settings = [("AWS_LAMBDA_MAX_CONCURRENCY", "64"), CACHE];
    let _process = FunctionProcess::start(&runtime.address, &endpoint, &settings);
    let log = runtime.log_after(64).await;
    let responses = log.iter().filter(|entry| entry.starts_with("response")).count();
    assert_eq!(responses, 64, "{log:?}");
    // One of them is GetPublicKey.
    let calls = stack.kms.calls() - calls;
    assert!((2..=9).contains(&calls), "{calls}");
}

/// Revocations and rules are read from files when an environment starts, and apply to cached signatures.
#[tokio::test]
async fn revoked_token_is_refused_although_its_signature_is_cached() {
    let folder = env::temp_dir().join(format!("countersign-revocations-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, value: &Value| {
        fs::write(folder.join(name), value.to_string()).unwrap();
        format!("file:{}", folder.join(name).display())
    };
    let rules = write("rules.json", &json!([{"route": "* /*", "any": true}]));
    let revoked = json!([
        {"iss": ISSUER, "jti": "revoked", "reason": "stolen"},
        {"iss": format!("{ISSUER}/"), "jti": "other"},
    ]);
    let revocations = write("revocations.json", &revoked);
    let settings = [
        CACHE,
        ("LAMBDA_TASK_ROOT", folder.to_str().unwrap()),
        ("ACCESS_RULES", &*rules),
        ("REVOCATIONS", &*revocations),
    ];
    let stack = Stack::start("RSA_2048", &settings).await;
    let warnings = stack.logs.recent();
    let warning = "REVOCATIONS names an issuer other than TOKEN_ISSUER: this entry has an effect at the token endpoint only";
    assert!(warnings.iter().any(|line| line.text.contains(warning)), "{warnings:?}");
    let valid = rest_with_token(&stack.token_with(&json!({"jti": "other"})));
    assert_eq!(stack.outcome(&valid).await.1, "Allowed");
    let revoked = rest_with_token(&stack.token_with(&json!({"jti": "revoked", "sub": "eve"})));
    for calls in [1, 0] {
        let outcome = ("Unauthorized", "Revoked".to_owned(), calls);
        assert_eq!(stack.outcome(&revoked).await, outcome);
    }
    let line: Value = serde_json::from_str(&stack.logs.recent().last().unwrap().text).unwrap();
    assert_eq!(
        (&line["outcome"], &line["sub"], &line["jti"]),
        (&json!("Rejected"), &json!("eve"), &json!("revoked"))
    );

    for (name, text) in [("rules.json", "null"), ("revocations.json", "")] {
        fs::write(folder.join(name), text).unwrap();
        let problems = startup_problems(&settings[1..]);
        assert!(problems.contains("names a file without a value: "), "{problems}");
        fs::write(folder.join(name), r#"[{"route": "* /*", "any": true}]"#).unwrap();
    }
    fs::remove_dir_all(folder).unwrap();
}
