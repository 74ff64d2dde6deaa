//! Any text as access rules: those that are accepted mean the same in a policy, route by route, but for the
//! spellings of a closed path that no cached policy can say.

#![no_main]

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::Duration,
};

use authorizer::{Decision, HttpApiResponse, AuthorizerConfig, AuthorizerEvent, decide, response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{SignedParts, Rejection, UnixTime, Verifier};
use libfuzzer_sys::fuzz_target;
use local::iam::{IamDecision, PolicyDocument};
use policy::access::ForbidReason;
use serde_json::json;

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";

/// Each route asked for by each token.
static REQUESTS: LazyLock<Vec<Vec<(String, AuthorizerEvent)>>> = LazyLock::new(|| {
    let paths = [
        "", "a", "b", "a/b", "a/b/c", "b/a", "a/", "a//b", "c/a/b", "*", "a/*", "a/b/a/b", "A",
        "%61/b", "a%2Fb", "/a", "a;b/b/", "a/./b", "b/..",
    ];
    let claims = [
        json!({"exp": 2000, "sub": "a", "scope": ""}),
        json!({"exp": 2000, "sub": "a", "scope": "a", "n": 1, "list": [1, "a"]}),
        json!({"exp": 2000, "sub": "b", "scope": "a b", "n": -1.5, "map": {"a": [null]}}),
    ];
    let event = |claims: &str, arn: &str| {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("s"));
        let headers = json!({"Authorization": format!("Bearer {token}")});
        json!({"type": "REQUEST", "methodArn": arn, "headers": headers})
    };
    let requests = |claims: &serde_json::Value| {
        let routes = ["GET", "POST"]
            .into_iter()
            .flat_map(|method| paths.map(|path| format!("{STAGE}/{method}/{path}")));
        let request = |arn: String| {
            let event = event(&claims.to_string(), &arn).to_string();
            (arn, event.parse().expect("an event"))
        };
        routes.map(request).collect()
    };
    claims.iter().map(requests).collect()
});

struct Yes;

impl Verifier for Yes {
    type Error = ();

    async fn verify(&self, _: &SignedParts<'_>) -> Result<Result<(), Rejection>, ()> {
        Ok(Ok(()))
    }
}

fuzz_target!(|text: &str| {
    let Ok(rules) = text.parse() else { return };
    let profile = AuthorizerConfig {
        token: jwt::Validation {
            issuer: None,
            audiences: None,
            token_type: "JWT".into(),
            leeway: Duration::ZERO,
        },
        rules: Some(rules),
        http_api_response: HttpApiResponse::Iam,
        websocket_protocol: None,
    };
    for requests in REQUESTS.iter() {
        let mut kept = None;
        for (arn, request) in requests {
            let now = UnixTime::from_seconds(1000);
            let mut decision = pin!(decide(request, &profile, now, &Yes));
            let Poll::Ready(Ok(decision)) =
                decision.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            else {
                panic!("at once")
            };
            let answer = response(request, &decision, &profile).expect("an answer that fits");
            let mut answer = serde_json::to_value(answer).expect("JSON");
            let policy: PolicyDocument =
                serde_json::from_value(answer["policyDocument"].take()).expect("a policy");
            let kept = kept.get_or_insert_with(|| policy.clone());
            let allows =
                |policy: &PolicyDocument| policy.evaluate("execute-api:Invoke", arn) == IamDecision::Allowed;
            let is_open = matches!(decision, Decision::Allow(_));
            assert_eq!(allows(&policy), is_open, "{arn}");
            let reason = match decision {
                Decision::Forbid(_, reason) => Some(reason),
                _ => None,
            };
            let spelled =
                matches!(reason, Some(ForbidReason::AmbiguousPath | ForbidReason::ClosedSpelling));
            assert!(allows(kept) == is_open || spelled, "{arn}, by a cached policy");
        }
    }
});
