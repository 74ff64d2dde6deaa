use std::time::{Duration, Instant};
use testing::{InjectFaults, InjectedFault};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::Algorithm;
use serde_json::{Value, json};

use crate::stack::{
    ALIAS, Outcome, Stack, claims, create_key, rest_with_token, signing_input, startup_problems,
    unauthorized,
};

#[test]
fn dangerous_or_invalid_settings_prevent_the_start() {
    let rows = [
        ("VERIFICATION", "remote", "VERIFICATION must be kms or local"),
        ("HTTP_API_RESPONSE", "yes", "HTTP_API_RESPONSE must be iam or simple"),
        ("TOKEN_TYPE", "application/", "TOKEN_TYPE must name a media type, such as JWT or at+jwt"),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE", "must not be TRACE: events are never logged"),
        ("RUST_LOG", "info,lambda_runtime=trace", "RUST_LOG must not be TRACE"),
        ("CLOCK_LEEWAY_SECONDS", "301", "CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds"),
        ("ACCESS_RULES", "{}", "ACCESS_RULES is not a JSON list of rules"),
    ];
    for (name, value, expected) in rows {
        let problems = startup_problems(&[(name, value)]);
        assert!(problems.contains(expected), "{name}: {problems}");
    }
}

#[tokio::test]
async fn fault_is_an_error_within_the_response_time() {
    for verification in ["kms", "local"] {
        let stack = Stack::start("RSA_2048", &[("VERIFICATION", verification)]).await;
        let valid = rest_with_token(&stack.token_with(&json!({})));
        let garbage = rest_with_token("garbage");
        let calls = u64::from(verification == "kms");
        assert_eq!(stack.outcome(&valid).await, ("Allow", "Allowed".into(), calls));
        let faults = [
            (InjectedFault::Error("ThrottlingException"), "KmsThrottled"),
            (InjectedFault::Error("KMSInternalException"), "KmsUnavailable"),
            (InjectedFault::Error("AccessDeniedException"), "AccessDenied"),
            (InjectedFault::Error("DisabledException"), "KeyState"),
            (InjectedFault::Page, "KmsUnreachable"),
            (InjectedFault::Late(Duration::from_mins(1)), "KmsUnreachable"),
        ];
        for (fault, cause) in faults {
            stack.kms.inject(Some(fault));
            let start = Instant::now();
            let (effect, reason, _) = stack.outcome(&valid).await;
            let took = start.elapsed();
            let expected = if calls == 0 { ("Allow", "Allowed") } else { ("error", cause) };
            assert_eq!((effect, &*reason), expected, "{verification} {fault:?}");
            assert!(took < Duration::from_secs(5), "{verification} {fault:?}: {took:?}");
            assert_eq!(stack.outcome(&garbage).await, unauthorized("NotCompact"));
        }
        stack.kms.inject(None);
        assert_eq!(
            stack.outcome(&valid).await,
            ("Allow", "Allowed".into(), calls),
            "after the fault"
        );
    }
}

#[tokio::test]
async fn ring_that_failed_to_load_at_the_start_is_loaded_by_a_request() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let (token, Stack { kms, key, .. }) = (stack.token_with(&json!({})), stack);
    kms.inject(Some(InjectedFault::Error("KMSInternalException")));
    let stack = Stack::with_kms(kms, key, &[]).await;
    let line = stack.logs.recent().first().unwrap().text.clone();
    let line: Value = serde_json::from_str(&line).unwrap();
    let expected = json!({
        "timestamp": line["timestamp"].as_str().unwrap(),
        "level": "WARN",
        "message": "the key ring could not be loaded",
        "error": line["error"].as_str().unwrap(),
        "target": "countersign_kms::keyring",
    });
    assert_eq!(line, expected, "log lines outside a request are JSON");
    assert_eq!(stack.outcome(&rest_with_token(&token)).await.1, "KmsUnavailable");
    stack.kms.inject(None);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(stack.outcome(&rest_with_token(&token)).await.0, "Allow");
}

/// A key id that a client invents must not raise an alarm. An alias that cannot be read must.
#[tokio::test]
async fn invented_key_id_is_unauthorized_while_an_alias_is_unreadable() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let header = json!({"alg": "RS256", "kid": "invented"}).to_string();
    let invented = rest_with_token(&stack.sign(&header, &claims().to_string()));
    let previous = format!("{ALIAS}-previous").leak();
    stack.kms.inject(Some(InjectedFault::ErrorFor(previous, "AccessDeniedException")));
    for _ in 0..3 {
        let (effect, reason, _) = stack.outcome(&invented).await;
        assert_eq!((effect, &*reason), ("Unauthorized", "UnknownKey"));
    }
    let lines = stack.logs.recent();
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(&line.text).unwrap());
    let faults: Vec<_> = lines.filter(|line| line["Faults"] == 1).collect();
    let [line] = &*faults else { panic!("not one fault: {faults:?}") };
    assert_eq!((&line["Cause"], &line["alias"]), (&json!("AccessDenied"), &json!(previous)));
    assert!(line["_aws"].is_object() && line["requestId"].is_null(), "{line}");

    stack.kms.inject(Some(InjectedFault::ErrorFor(previous, "ThrottlingException")));
    tokio::time::sleep(Duration::from_millis(10_100)).await;
    let (effect, reason, _) = stack.outcome(&invented).await;
    assert_eq!((effect, &*reason), ("error", "KmsThrottled"), "the key may exist");
}

#[tokio::test]
async fn local_verification_calls_kms_only_for_public_keys() {
    let settings = [("VERIFICATION", "local"), ("KEY_REFRESH_SECONDS", "1")];
    let stack = Stack::start("RSA_2048", &settings).await;
    let valid = stack.token_with(&json!({}));
    let (head, signature) = valid.rsplit_once('.').unwrap();
    let mut raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    raw[0] ^= 1;
    let changed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(raw));
    let unnamed = stack.sign(r#"{"alg":"RS256"}"#, &claims().to_string());
    let allowed: Outcome = ("Allow", "Allowed".into(), 0);
    assert_eq!(stack.outcome(&rest_with_token(&valid)).await, allowed);
    assert_eq!(stack.outcome(&rest_with_token(&unnamed)).await, allowed);
    assert_eq!(stack.outcome(&rest_with_token(&changed)).await, unauthorized("InvalidSignature"));

    // The ring now has a next key.
    let next = create_key(&stack.kms, "ECC_NIST_P256");
    let target = json!({"AliasName": format!("{ALIAS}-next"), "TargetKeyId": next});
    stack.kms.perform("CreateAlias", &target).unwrap();
    let next_stack = Stack { key: next.clone(), ..stack };
    let header = json!({"alg": "ES256", "kid": next}).to_string();
    let input = signing_input(&header, &claims().to_string());
    let signature = next_stack.sign_with(Algorithm::Es256, &input);
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (effect, _, calls) = next_stack.outcome(&rest_with_token(&token)).await;
    assert_eq!((effect, calls), ("Allow", 3), "GetPublicKey for three keys");

    // After the refresh of the ring, the tokens of a disabled key are rejected.
    next_stack.kms.perform("DisableKey", &json!({"KeyId": next})).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (effect, reason, _) = next_stack.outcome(&rest_with_token(&token)).await;
    assert_eq!((effect, &*reason), ("Unauthorized", "UnknownKey"));
    assert_eq!(next_stack.outcome(&rest_with_token(&valid)).await.0, "Allow");
}

/// Of a request, the log has only `sub` and `jti` of a verified token.
#[tokio::test]
async fn log_line_is_complete_and_has_nothing_that_the_client_wrote() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let valid = stack.token_with(&json!({"secret": "s3cr3t-claim"}));
    stack.outcome(&rest_with_token(&valid)).await;
    let mut event = rest_with_token("s3cr3t-token");
    event["path"] = "/s3cr3t-path".into();
    event["headers"]["User-Agent"] = "s3cr3t-agent".into();
    stack.outcome(&event).await;
    stack.outcome(&rest_with_token(&stack.sign(r#"{"alg":"s3cr3t"}"#, "{}"))).await;
    stack.outcome(&rest_with_token(&stack.token_with(&json!({"exp": 1_234_567_890})))).await;
    stack.outcome(&json!({"type": "s3cr3t-type", "methodArn": "s3cr3t-arn"})).await;
    let lines: Vec<Value> =
        stack.logs.recent().iter().map(|line| serde_json::from_str(&line.text).unwrap()).collect();
    assert_eq!(lines.len(), 5, "one line for each request");
    for line in &lines {
        let text = line.to_string();
        assert!(!text.contains("s3cr3t") && !text.contains("1234567890"), "{text}");
        assert!(!text.contains(valid.rsplit('.').next().unwrap()), "{text}");
        for name in ["timestamp", "level", "message", "requestId", "xrayTraceId"] {
            assert!(line[name].is_string(), "{name}: {text}");
        }
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Countersign");
    }
    let [first, second, ..] = &*lines else { panic!("not five lines") };
    assert_eq!((&first["coldStart"], &second["coldStart"]), (&json!(true), &json!(false)));
    assert_eq!((&first["sub"], &first["jti"]), (&json!("test-user"), &json!("an-id")));
    assert!(first["KmsLatency"].as_f64().unwrap() > 0.0 && second["KmsLatency"].is_null());
    assert_eq!((&second["Reason"], &second["Rejected"]), (&json!("NotCompact"), &json!(1)));
    assert_eq!((&lines[4]["Cause"], &lines[4]["Faults"]), (&json!("MalformedEvent"), &json!(1)));
}

/// The log shows the operator a condition that exceeded the budget and a rule that does not match the parent path.
#[tokio::test]
async fn exceeded_budget_and_unmatched_parent_path_are_logged() {
    let rule = |at: usize| {
        let when = format!("claims.a.all(x, x != {})", at + 2);
        json!({"route": format!("GET /{at}"), "when": when})
    };
    let mut rules: Vec<Value> = (0..30).map(rule).collect();
    rules.push(json!({"route": "POST /*", "any": true}));
    rules.push(json!({"route": "POST /admin/*", "scope": "a"}));
    let stack = Stack::start("RSA_2048", &[("ACCESS_RULES", &json!(rules).to_string())]).await;
    for count in [1, 500] {
        stack.outcome(&rest_with_token(&stack.token_with(&json!({"a": vec![1; count]})))).await;
    }
    let lines: Vec<String> = stack.logs.recent().iter().map(|line| line.text.clone()).collect();
    let [warning, small, large] = &*lines else { panic!("{lines:#?}") };
    assert!(warning.contains("POST /admin/* does not match POST /admin itself"), "{warning}");
    assert!(!small.contains("overBudget") && large.contains(r#""overBudget":true"#), "{large}");
}

/// The process handles requests while a refresh runs in the background.
#[tokio::test]
async fn refresh_continues_while_requests_are_handled() {
    let settings = [("VERIFICATION", "local"), ("KEY_REFRESH_SECONDS", "1")];
    let stack = Stack::start("RSA_2048", &settings).await;
    let valid = rest_with_token(&stack.token_with(&json!({})));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (calls, start) = (stack.kms.calls(), Instant::now());
    // Longer than the timeout of an attempt: each call is retried once in the background.
    stack.kms.inject(Some(InjectedFault::Late(Duration::from_secs(2))));
    while start.elapsed() < Duration::from_millis(2200) {
        assert_eq!(stack.outcome(&valid).await.0, "Allow");
    }
    assert_eq!(stack.kms.calls() - calls, 6, "two attempts for each of three aliases");
}
