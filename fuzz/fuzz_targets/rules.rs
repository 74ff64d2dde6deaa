//! Arbitrary text as access rules. For every route, the policy of accepted rules makes the same decision as the rules.
//! A cached policy does too, except for alternative spellings of closed paths, which a policy cannot express.

#![no_main]

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use authorizer::{AuthorizerConfig, AuthorizerEvent, Decision, decide, response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Rejection, SignedParts, UnixTime, Verifier};
use libfuzzer_sys::fuzz_target;
use local::iam::{IamDecision, PolicyDocument};
use policy::access::ForbidReason;
use serde_json::json;

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";

/// A request for each route, for each token.
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
            (arn, event.parse().expect("the event is valid"))
        };
        routes.map(request).collect()
    };
    claims.iter().map(requests).collect()
});

/// Accepts every signature.
struct AcceptAll;

impl Verifier for AcceptAll {
    type Error = ();

    async fn verify(&self, _: &SignedParts<'_>) -> Result<Result<(), Rejection>, ()> {
        Ok(Ok(()))
    }
}

fuzz_target!(|text: &str| {
    let Ok(rules) = text.parse() else { return };
    let token = jwt::Validation::new(None, None);
    let config = AuthorizerConfig { rules: Some(rules), ..AuthorizerConfig::new(token) };
    for requests in REQUESTS.iter() {
        let mut cached = None;
        for (arn, request) in requests {
            let now = UnixTime::from_seconds(1000);
            let mut decision = pin!(decide(request, &config, now, &AcceptAll));
            let Poll::Ready(Ok(decision)) =
                decision.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            else {
                panic!("the decision is not immediate")
            };
            let output = response(request, &decision, &config)
                .expect("the response is within the size limit");
            let mut output = serde_json::to_value(output).expect("the response is JSON");
            let policy: PolicyDocument = serde_json::from_value(output["policyDocument"].take())
                .expect("the response has a policy");
            let cached = cached.get_or_insert_with(|| policy.clone());
            let allows = |policy: &PolicyDocument| {
                policy.evaluate("execute-api:Invoke", arn) == IamDecision::Allowed
            };
            let is_open = matches!(decision, Decision::Allow(_));
            assert_eq!(allows(&policy), is_open, "{arn}");
            let reason = match decision {
                Decision::Forbid(_, reason) => Some(reason),
                _ => None,
            };
            let is_alternative_spelling =
                matches!(reason, Some(ForbidReason::AmbiguousPath | ForbidReason::ClosedSpelling));
            assert!(
                allows(cached) == is_open || is_alternative_spelling,
                "{arn}, by a cached policy"
            );
        }
    }
});
