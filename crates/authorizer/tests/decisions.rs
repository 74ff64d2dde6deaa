//! The decision table: what came, what is decided, and whether the key was asked.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use authorizer::{Decision, MalformedEvent, Refusal, Request, decide, response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Profile, Proof, Rejection, UnixTime, Verifier};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/GET/whoami";

fn profile() -> Profile {
    Profile {
        issuer: Some("countersign".into()),
        audiences: Some(vec![]),
        token_type: "JWT".into(),
        leeway: Duration::ZERO,
    }
}

/// Gives one answer, and counts how often it is asked.
struct Key {
    answer: Result<Result<(), Rejection>, &'static str>,
    asked: AtomicU32,
}

impl Verifier for Key {
    type Error = &'static str;

    async fn verify(&self, _: &Proof<'_>) -> Result<Result<(), Rejection>, &'static str> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer
    }
}

const YES: Result<Result<(), Rejection>, &str> = Ok(Ok(()));
const NO: Result<Result<(), Rejection>, &str> = Ok(Err(Rejection::Signature));
const UNKNOWN: Result<Result<(), Rejection>, &str> = Err("KMS is out of reach");

/// Decides, and tells how often the key was asked.
fn judge(
    request: &Request,
    answer: Result<Result<(), Rejection>, &'static str>,
) -> (Result<Decision, &'static str>, u32) {
    judge_for(&profile(), request, answer)
}

fn judge_for(
    profile: &Profile,
    request: &Request,
    answer: Result<Result<(), Rejection>, &'static str>,
) -> (Result<Decision, &'static str>, u32) {
    let key = Key { answer, asked: AtomicU32::new(0) };
    let decision = {
        let mut decision = pin!(decide(request, profile, NOW, &key));
        match decision.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(decision) => decision,
            Poll::Pending => panic!("the key answers at once"),
        }
    };
    (decision, key.asked.into_inner())
}

fn token(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode("signature"))
}

fn good() -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "k"});
    token(&header, &json!({"iss": "countersign", "sub": "test-user", "exp": 1_800_000_001}))
}

fn with_claims(claims: &Value) -> String {
    format!("Bearer {}", token(&json!({"alg": "RS256"}), claims))
}

fn with_header(header: &Value) -> String {
    format!("Bearer {}", token(header, &json!({"iss": "countersign", "exp": 1_800_000_001})))
}

fn request(authorization: &[&str]) -> Request {
    let headers =
        if authorization.is_empty() { json!({}) } else { json!({"Authorization": authorization}) };
    let event = json!({"type": "REQUEST", "methodArn": ARN, "multiValueHeaders": headers});
    event.to_string().parse().unwrap()
}

#[test]
fn what_is_refused_without_asking_the_key() {
    let bearer = format!("Bearer {}", good());
    let long = format!("Bearer {}.{}", good(), "A".repeat(100 * 1024));
    let iss = "countersign";
    let rows = [
        ("no credentials", vec![], Refusal::NoCredentials),
        ("two headers", vec![bearer.clone(), bearer.clone()], Refusal::SeveralCredentials),
        ("Basic", vec!["Basic dXNlcjpwYXNz".into()], Refusal::NotBearer),
        ("Bearer twice", vec![format!("Bearer {bearer}")], Rejection::Encoding.into()),
        ("comma-joined", vec![format!("{bearer}, {bearer}")], Rejection::NotCompact.into()),
        ("not a token", vec!["Bearer token".into()], Rejection::NotCompact.into()),
        ("100 KB", vec![long], Rejection::TooLong.into()),
        (
            "alg none",
            vec![with_header(&json!({"alg": "none"}))],
            Rejection::UnsupportedAlgorithm.into(),
        ),
        (
            "HS256",
            vec![with_header(&json!({"alg": "HS256"}))],
            Rejection::UnsupportedAlgorithm.into(),
        ),
        (
            "its own key",
            vec![with_header(&json!({"alg": "RS256", "jwk": {}}))],
            Rejection::Parameter("jwk").into(),
        ),
        (
            "crit",
            vec![with_header(&json!({"alg": "RS256", "crit": ["exp"]}))],
            Rejection::Parameter("crit").into(),
        ),
        (
            "another type",
            vec![with_header(&json!({"alg": "RS256", "typ": "at+jwt"}))],
            Rejection::Type.into(),
        ),
        ("no exp", vec![with_claims(&json!({"iss": iss}))], Rejection::NoExpiry.into()),
        (
            "exp is text",
            vec![with_claims(&json!({"iss": iss, "exp": "1800000001"}))],
            Rejection::Claims.into(),
        ),
        (
            "exp is now",
            vec![with_claims(&json!({"iss": iss, "exp": 1_800_000_000}))],
            Rejection::Expired { at: NOW }.into(),
        ),
        (
            "another issuer",
            vec![with_claims(&json!({"iss": "them", "exp": 1_800_000_001}))],
            Rejection::Issuer.into(),
        ),
        (
            "for somebody else",
            vec![with_claims(&json!({"iss": iss, "exp": 1_800_000_001, "aud": "x"}))],
            Rejection::Audience.into(),
        ),
    ];
    for (name, authorization, expected) in rows {
        let authorization: Vec<&str> = authorization.iter().map(String::as_str).collect();
        let decided = judge(&request(&authorization), YES);
        assert_eq!(decided, (Ok(Decision::Refuse(expected)), 0), "{name}");
    }
}

#[test]
fn what_the_key_decides() {
    let request = request(&[&format!("Bearer {}", good())]);
    let (allowed, asked) = judge(&request, YES);
    assert!(matches!(allowed, Ok(Decision::Allow(_))) && asked == 1);
    let refused = Decision::Refuse(Rejection::Signature.into());
    assert_eq!(judge(&request, NO), (Ok(refused), 1));
    assert_eq!(judge(&request, UNKNOWN), (Err("KMS is out of reach"), 1));
}

#[test]
fn the_answer_is_pinned() {
    let claims = json!({
        "iss": "countersign", "sub": "test-user", "exp": 1_800_000_001, "scope": "a b", "jti": "j",
        "admin": true, "level": 7, "nothing": null, "groups": ["g"], "nested": {"a": 1},
        "principalId": "somebody else", "big": "x".repeat(5000),
    });
    let request = request(&[&with_claims(&claims)]);
    let (Ok(Decision::Allow(claims)), 1) = judge(&request, YES) else { panic!("allowed") };
    assert_eq!(
        serde_json::to_value(response(&request, &claims)).unwrap(),
        json!({
            "principalId": "test-user",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/*/*",
                }],
            },
            "context": {
                "sub": "test-user", "scope": "a b", "iss": "countersign", "jti": "j",
                "exp": 1_800_000_001, "admin": true, "level": 7,
            },
        })
    );
}

#[test]
fn a_token_without_a_subject_has_a_principal_all_the_same() {
    for claims in [
        json!({"iss": "countersign", "exp": 1_800_000_001}),
        json!({"iss": "countersign", "exp": 1_800_000_001, "sub": ""}),
    ] {
        let request = request(&[&with_claims(&claims)]);
        let (Ok(Decision::Allow(claims)), 1) = judge(&request, YES) else { panic!("allowed") };
        let answer = serde_json::to_value(response(&request, &claims)).unwrap();
        assert_eq!(answer["principalId"].as_str(), Some("-"));
    }
}

#[test]
fn the_largest_answer_is_under_eight_kilobytes() {
    let mut claims = json!({"iss": "countersign", "exp": 1_800_000_001, "sub": "s".repeat(3000)});
    for i in 0..10 {
        claims[format!("claim-{i}")] = "x".repeat(200).into();
    }
    let request = request(&[&with_claims(&claims)]);
    let (Ok(Decision::Allow(claims)), 1) = judge(&request, YES) else { panic!("allowed") };
    let answer = serde_json::to_value(response(&request, &claims)).unwrap();
    for name in ["sub", "iss", "exp", "claim-0"] {
        assert!(answer["context"].get(name).is_some(), "{name}");
    }
    assert!(answer["context"].get("claim-9").is_none());
    assert!(answer.to_string().len() < 8192);
}

#[test]
fn several_audiences_are_passed_on_as_one_string() {
    let claims = json!({"iss": "countersign", "exp": 1_800_000_001, "aud": ["a", "b"]});
    let (request, ours) = (request(&[&with_claims(&claims)]), Some(vec!["b".into()]));
    let profile = Profile { audiences: ours, ..profile() };
    let (Ok(Decision::Allow(claims)), 1) = judge_for(&profile, &request, YES) else {
        panic!("allowed")
    };
    let answer = serde_json::to_value(response(&request, &claims)).unwrap();
    assert_eq!(answer["context"]["aud"].as_str(), Some("a b"));
}

#[test]
fn reasons_have_names_that_stay_and_requests_do_not_print() {
    let rows = [
        (Refusal::NoCredentials, "NoCredentials"),
        (Refusal::SeveralCredentials, "SeveralCredentials"),
        (Refusal::NotBearer, "NotBearer"),
        (Rejection::TooLong.into(), "TokenTooLong"),
        (Rejection::Expired { at: NOW }.into(), "Expired"),
        (Rejection::Signature.into(), "InvalidSignature"),
    ];
    for (refusal, expected) in rows {
        assert_eq!(refusal.code(), expected);
    }
    let shown = format!("{:?}", request(&["Bearer a.b.c"]));
    assert!(shown.starts_with("Request { stage: Stage(") && !shown.contains("a.b.c"), "{shown}");
}

#[test]
fn the_sample_events() {
    let event = |text: &str| text.parse::<Request>();
    let expired = Rejection::Expired { at: UnixTime::from_seconds(1_700_000_000) };
    let rows = [
        (include_str!("../../../events/authorize-expired.json"), expired.into()),
        (include_str!("../../../events/authorize-no-credentials.json"), Refusal::NoCredentials),
    ];
    for (text, expected) in rows {
        assert_eq!(judge(&event(text).unwrap(), YES), (Ok(Decision::Refuse(expected)), 0));
    }
    let not_ours = include_str!("../../../events/issue-invoke.json");
    assert_eq!(event(not_ours), Err(MalformedEvent::Kind));
}
