use std::time::{Duration, Instant};
use testing::{InjectFaults, InjectedFault};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::Algorithm;
use serde_json::{Value, json};

use crate::stack::{ALIAS, Outcome, Stack, bearer, claims, create_key, input, refused, starting};

#[test]
fn dangerous_or_wrong_settings_stop_the_start() {
    let rows = [
        ("VERIFICATION", "remote", "VERIFICATION must be kms or local"),
        ("HTTP_API_RESPONSE", "yes", "HTTP_API_RESPONSE must be iam or simple"),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE", "must not be TRACE: events are never logged"),
        ("RUST_LOG", "info,lambda_runtime=trace", "RUST_LOG must not be TRACE"),
        ("CLOCK_LEEWAY_SECONDS", "301", "CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds"),
        ("ACCESS_RULES", "{}", "ACCESS_RULES is not a JSON list of rules"),
    ];
    for (name, value, expected) in rows {
        let said = starting(&[(name, value)]);
        assert!(said.contains(expected), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_fault_is_neither_yes_nor_no_and_comes_in_time() {
    for verification in ["kms", "local"] {
        let stack = Stack::start("RSA_2048", &[("VERIFICATION", verification)]).await;
        let good = bearer(&stack.good(&json!({})));
        let garbage = bearer("garbage");
        let calls = u64::from(verification == "kms");
        assert_eq!(stack.ask(&good).await, ("Allow", "Allowed".into(), calls));
        let faults = [
            (InjectedFault::Error("ThrottlingException"), "KmsThrottled"),
            (InjectedFault::Error("KMSInternalException"), "KmsUnavailable"),
            (InjectedFault::Error("AccessDeniedException"), "AccessDenied"),
            (InjectedFault::Error("DisabledException"), "KeyState"),
            (InjectedFault::Page, "KmsUnreachable"),
            (InjectedFault::Late(Duration::from_mins(1)), "KmsUnreachable"),
        ];
        for (disturbance, cause) in faults {
            stack.kms.inject(Some(disturbance));
            let start = Instant::now();
            let (effect, reason, _) = stack.ask(&good).await;
            let took = start.elapsed();
            let expected = if calls == 0 { ("Allow", "Allowed") } else { ("error", cause) };
            assert_eq!((effect, &*reason), expected, "{verification} {disturbance:?}");
            assert!(took < Duration::from_secs(5), "{verification} {disturbance:?}: {took:?}");
            assert_eq!(stack.ask(&garbage).await, refused("NotCompact"));
        }
        stack.kms.inject(None);
        assert_eq!(stack.ask(&good).await, ("Allow", "Allowed".into(), calls), "it is over");
    }
}

#[tokio::test]
async fn a_start_without_kms_is_made_good_by_the_first_request() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let (token, Stack { kms, key, .. }) = (stack.good(&json!({})), stack);
    kms.inject(Some(InjectedFault::Error("KMSInternalException")));
    let stack = Stack::over(kms, key, &[]).await;
    let line = stack.journal.recent().first().unwrap().text.clone();
    let line: Value = serde_json::from_str(&line).unwrap();
    let expected = json!({
        "timestamp": line["timestamp"].as_str().unwrap(),
        "level": "WARN",
        "message": "the key ring could not be loaded",
        "error": line["error"].as_str().unwrap(),
        "target": "countersign_kms::keyring",
    });
    assert_eq!(line, expected, "what is of no request is a JSON line too");
    assert_eq!(stack.ask(&bearer(&token)).await.1, "KmsUnavailable");
    stack.kms.inject(None);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(stack.ask(&bearer(&token)).await.0, "Allow");
}

/// A client can make up a key id: that must not raise an alarm. The unreadable alias must.
#[tokio::test]
async fn made_up_key_id_is_refused_while_an_alias_is_unreadable() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let header = json!({"alg": "RS256", "kid": "made-up"}).to_string();
    let made_up = bearer(&stack.sign(&header, &claims().to_string()));
    let previous = format!("{ALIAS}-previous").leak();
    stack.kms.inject(Some(InjectedFault::ErrorFor(previous, "AccessDeniedException")));
    for _ in 0..3 {
        let (effect, reason, _) = stack.ask(&made_up).await;
        assert_eq!((effect, &*reason), ("Unauthorized", "UnknownKey"));
    }
    let lines = stack.journal.recent();
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(&line.text).unwrap());
    let faults: Vec<_> = lines.filter(|line| line["Faults"] == 1).collect();
    let [line] = &*faults else { panic!("one load: {faults:?}") };
    assert_eq!((&line["Cause"], &line["alias"]), (&json!("AccessDenied"), &json!(previous)));
    assert!(line["_aws"].is_object() && line["requestId"].is_null(), "{line}");

    stack.kms.inject(Some(InjectedFault::ErrorFor(previous, "ThrottlingException")));
    tokio::time::sleep(Duration::from_millis(10_100)).await;
    let (effect, reason, _) = stack.ask(&made_up).await;
    assert_eq!((effect, &*reason), ("error", "KmsThrottled"), "the key may be there");
}

#[tokio::test]
async fn local_verification_asks_kms_for_keys_alone() {
    let settings = [("VERIFICATION", "local"), ("KEY_REFRESH_SECONDS", "1")];
    let stack = Stack::start("RSA_2048", &settings).await;
    let good = stack.good(&json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let mut raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    raw[0] ^= 1;
    let changed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(raw));
    let unnamed = stack.sign(r#"{"alg":"RS256"}"#, &claims().to_string());
    let allowed: Outcome = ("Allow", "Allowed".into(), 0);
    assert_eq!(stack.ask(&bearer(&good)).await, allowed);
    assert_eq!(stack.ask(&bearer(&unnamed)).await, allowed);
    assert_eq!(stack.ask(&bearer(&changed)).await, refused("InvalidSignature"));

    // A key that was prepared, one that signs now, and one whose tokens still live.
    let next = create_key(&stack.kms, "ECC_NIST_P256");
    let target = json!({"AliasName": format!("{ALIAS}-next"), "TargetKeyId": next});
    stack.kms.perform("CreateAlias", &target).unwrap();
    let next_stack = Stack { key: next.clone(), ..stack };
    let header = json!({"alg": "ES256", "kid": next}).to_string();
    let input = input(&header, &claims().to_string());
    let signature = next_stack.sign_with(Algorithm::Es256, &input);
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (effect, _, calls) = next_stack.ask(&bearer(&token)).await;
    assert_eq!((effect, calls), ("Allow", 3), "GetPublicKey of the three");

    // Once withdrawn, it is refused when the ring is refreshed.
    next_stack.kms.perform("DisableKey", &json!({"KeyId": next})).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (effect, reason, _) = next_stack.ask(&bearer(&token)).await;
    assert_eq!((effect, &*reason), ("Unauthorized", "UnknownKey"));
    assert_eq!(next_stack.ask(&bearer(&good)).await.0, "Allow");
}

/// Nothing of a request reaches the log but a verified token's `sub` and `jti`.
#[tokio::test]
async fn a_log_line_has_what_it_needs_and_nothing_of_the_clients() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({"secret": "s3cr3t-claim"}));
    stack.ask(&bearer(&good)).await;
    let mut event = bearer("s3cr3t-token");
    event["path"] = "/s3cr3t-path".into();
    event["headers"]["User-Agent"] = "s3cr3t-agent".into();
    stack.ask(&event).await;
    stack.ask(&bearer(&stack.sign(r#"{"alg":"s3cr3t"}"#, "{}"))).await;
    stack.ask(&bearer(&stack.good(&json!({"exp": 1_234_567_890})))).await;
    stack.ask(&json!({"type": "s3cr3t-type", "methodArn": "s3cr3t-arn"})).await;
    let lines: Vec<Value> = stack
        .journal
        .recent()
        .iter()
        .map(|line| serde_json::from_str(&line.text).unwrap())
        .collect();
    assert_eq!(lines.len(), 5, "one for each request");
    for line in &lines {
        let text = line.to_string();
        assert!(!text.contains("s3cr3t") && !text.contains("1234567890"), "{text}");
        assert!(!text.contains(good.rsplit('.').next().unwrap()), "{text}");
        for name in ["timestamp", "level", "message", "requestId", "xrayTraceId"] {
            assert!(line[name].is_string(), "{name}: {text}");
        }
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Countersign");
    }
    let [first, second, ..] = &*lines else { panic!("five lines") };
    assert_eq!((&first["coldStart"], &second["coldStart"]), (&json!(true), &json!(false)));
    assert_eq!((&first["sub"], &first["jti"]), (&json!("test-user"), &json!("an-id")));
    assert!(first["KmsLatency"].as_f64().unwrap() > 0.0 && second["KmsLatency"].is_null());
    assert_eq!((&second["Reason"], &second["Rejected"]), (&json!("NotCompact"), &json!(1)));
    assert_eq!((&lines[4]["Cause"], &lines[4]["Faults"]), (&json!("MalformedEvent"), &json!(1)));
}

/// An operator learns why a rule is closed, and what rules do not match.
#[tokio::test]
async fn condition_over_the_budget_and_open_parent_are_in_the_log() {
    let rule = |at: usize| {
        let when = format!("claims.a.all(x, x != {})", at + 2);
        json!({"route": format!("GET /{at}"), "when": when})
    };
    let mut rules: Vec<Value> = (0..30).map(rule).collect();
    rules.push(json!({"route": "POST /*", "any": true}));
    rules.push(json!({"route": "POST /admin/*", "scope": "a"}));
    let stack = Stack::start("RSA_2048", &[("ACCESS_RULES", &json!(rules).to_string())]).await;
    for count in [1, 500] {
        stack.ask(&bearer(&stack.good(&json!({"a": vec![1; count]})))).await;
    }
    let lines: Vec<String> = stack.journal.recent().iter().map(|line| line.text.clone()).collect();
    let [warning, small, large] = &*lines else { panic!("{lines:#?}") };
    assert!(warning.contains("POST /admin/* does not match POST /admin itself"), "{warning}");
    assert!(!small.contains("overBudget") && large.contains(r#""overBudget":true"#), "{large}");
}

/// A process that waits for its next event in the operating system must not stop what it has begun.
#[tokio::test]
async fn a_refresh_goes_on_beside_requests() {
    let settings = [("VERIFICATION", "local"), ("KEY_REFRESH_SECONDS", "1")];
    let stack = Stack::start("RSA_2048", &settings).await;
    let good = bearer(&stack.good(&json!({})));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (calls, start) = (stack.kms.calls(), Instant::now());
    // Longer than an attempt: each is made once more, with nobody waiting for it.
    stack.kms.inject(Some(InjectedFault::Late(Duration::from_secs(2))));
    while start.elapsed() < Duration::from_millis(2200) {
        assert_eq!(stack.ask(&good).await.0, "Allow");
    }
    assert_eq!(stack.kms.calls() - calls, 6, "three aliases, each asked for twice");
}
