//! What API Gateway would do with a policy, for every route, is what the rules say: also when it kept
//! the policy from another route.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    cell::Cell,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use authorizer::{
    Decision, HttpApiResponse, Profile, Request, Rules, RulesError, decide, response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Proof, Rejection, UnixTime, Verifier};
use local::iam::{Policy, Verdict};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestError, TestRunner},
};
use serde_json::{Value, json};

const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1";
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

#[derive(Debug, Clone)]
struct Rule {
    method: &'static str,
    path: Vec<&'static str>,
    condition: &'static str,
}

impl Rule {
    fn json(&self) -> Value {
        let route = format!("{} /{}", self.method, self.path.join("/"));
        match self.condition {
            "any" => json!({"route": route, "any": true}),
            "admin" => json!({"route": route, "when": "claims.admin"}),
            scope => json!({"route": route, "scope": scope}),
        }
    }

    /// A parameter beside a `*` takes part in it.
    fn pattern(&self) -> Vec<&'static str> {
        let mut pattern = self.path.clone();
        for _ in 0..pattern.len() {
            for at in 1..pattern.len() {
                match (pattern[at - 1], pattern[at]) {
                    ("{x}", "*") => pattern[at - 1] = "*",
                    ("*", "{x}") => pattern[at] = "*",
                    _ => {}
                }
            }
        }
        pattern
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        fn fits(pattern: &[&str], path: &[&str]) -> bool {
            match (pattern, path) {
                ([], []) => true,
                (["*", rest @ ..], [_, after @ ..]) => fits(rest, after) || fits(pattern, after),
                (["{x}", rest @ ..], [segment, after @ ..]) => {
                    !segment.is_empty() && fits(rest, after)
                }
                ([text, rest @ ..], [segment, after @ ..]) => text == segment && fits(rest, after),
                _ => false,
            }
        }
        let path: Vec<&str> = path.split('/').collect();
        (self.method == "*" || self.method == method) && fits(&self.pattern(), &path)
    }

    /// Sorts before what is less specific: as text, in the order of these letters.
    fn specificity(&self) -> String {
        let letter = |segment: &&str| match *segment {
            "{x}" => 'b',
            "*" => 'c',
            _ => 'a',
        };
        let path: String = self.pattern().iter().map(letter).collect();
        format!("{path}d{}", if self.method == "*" { 'b' } else { 'a' })
    }
}

#[derive(Debug, Clone)]
struct Token {
    scopes: Vec<&'static str>,
    admin: bool,
}

impl Token {
    fn opens(&self, rule: &Rule) -> bool {
        match rule.condition {
            "any" => true,
            "admin" => self.admin,
            scope => self.scopes.contains(&scope),
        }
    }

    fn bearer(&self) -> String {
        let claims = json!({
            "iss": "us", "exp": 2000, "scope": self.scopes.join(" "), "admin": self.admin,
        });
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let header = part(r#"{"alg":"RS256"}"#);
        format!("Bearer {header}.{}.{}", part(&claims.to_string()), part("signature"))
    }
}

/// What the rules say of a route, as README puts it.
fn says(rules: &[Rule], token: &Token, method: &str, path: &str) -> bool {
    let decides = |path: &str| {
        let fitting = rules.iter().filter(|rule| rule.fits(method, path));
        fitting.min_by_key(|rule| rule.specificity())
    };
    let without = path.strip_suffix('/').and_then(decides);
    if without.is_some_and(|rule| !rule.path.contains(&"*") && !token.opens(rule)) {
        return false;
    }
    decides(path).is_some_and(|rule| token.opens(rule))
}

struct Yes;

impl Verifier for Yes {
    type Error = &'static str;

    async fn verify(&self, _: &Proof<'_>) -> Result<Result<(), Rejection>, &'static str> {
        Ok(Ok(()))
    }
}

/// The decision on a route, and the policy that comes back with it.
fn decided(profile: &Profile, token: &Token, (method, path): &(&str, String)) -> (bool, Policy) {
    let event = json!({
        "type": "REQUEST", "methodArn": format!("{STAGE}/{method}/{path}"),
        "headers": {"Authorization": token.bearer()},
    });
    let request: Request = event.to_string().parse().unwrap();
    let now = UnixTime::from_seconds(1000);
    let mut decision = pin!(decide(&request, profile, now, &Yes));
    let Poll::Ready(Ok(decision)) = decision.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("the verifier answers at once")
    };
    let answer = response(&request, &decision, profile).unwrap();
    let mut answer = serde_json::to_value(answer).unwrap();
    assert!(answer.to_string().len() <= 8192);
    let policy: Policy = serde_json::from_value(answer["policyDocument"].take()).unwrap();
    assert!(policy.is_authorizers());
    (matches!(decision, Decision::Allow(_)), policy)
}

fn rule() -> impl Strategy<Value = Rule> {
    let method = select(&["GET", "GET", "GET", "POST", "*"][..]);
    let path = vec(select(&["a", "a", "b", "{x}", "*"][..]), 1..4);
    let condition = select(&["any", "s0", "s0", "s1", "s2", "admin"][..]);
    (method, path, condition).prop_map(|(method, path, condition)| Rule { method, path, condition })
}

fn token() -> impl Strategy<Value = Token> {
    let scopes = proptest::sample::subsequence(vec!["s0", "s1", "s2"], 0..=3);
    (scopes, any::<bool>()).prop_map(|(scopes, admin)| Token { scopes, admin })
}

fn request() -> impl Strategy<Value = (&'static str, String)> {
    let segments =
        ["a", "a", "a", "b", "b", "c", "", "*", "?", "%2A", "..", "{x}", "?*", "aa", "GET"];
    let method = select(&["GET", "GET", "GET", "POST", "PUT", "DELETE"][..]);
    let path = vec(select(Vec::from(segments)), 1..6);
    (method, path).prop_map(|(method, path)| (method, path.join("/")))
}

fn profile(rules: Option<Rules>) -> Profile {
    Profile {
        token: jwt::Profile {
            issuer: Some("us".into()),
            audiences: Some(vec![]),
            token_type: "JWT".into(),
            leeway: Duration::ZERO,
        },
        rules,
        http_api_response: HttpApiResponse::Iam,
        websocket_protocol: None,
    }
}

#[test]
fn the_policy_says_what_the_rules_say_for_every_route() {
    let (said, refused) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 4000, ..Config::default() });
    let case = (vec(rule(), 1..7), token(), vec(request(), 2..40));
    let outcome = runner.run(&case, |(rules, token, requests)| {
        let wire: Vec<Value> = rules.iter().map(Rule::json).collect();
        let compiled = match json!(wire).to_string().parse::<Rules>() {
            Ok(compiled) => compiled,
            Err(
                RulesError::Below(..)
                | RulesError::Within(..)
                | RulesError::Ambiguous(..)
                | RulesError::Twice(..),
            ) => {
                refused.set(refused.get() + 1);
                return Ok(());
            }
            Err(RulesError::Route { .. }) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        said.set(said.get() + 1);
        let profile = profile(Some(compiled));
        let (_, kept) = decided(&profile, &token, &requests[0]);
        for request in &requests {
            let (allowed, own) = decided(&profile, &token, request);
            prop_assert_eq!(&own, &kept, "a policy depends on the token alone");
            let (method, path) = request;
            let expected = says(&rules, &token, method, path);
            prop_assert_eq!(allowed, expected, "the decision on {} /{}", method, path);
            let arn = format!("{STAGE}/{method}/{path}");
            let verdict = kept.evaluate("execute-api:Invoke", &arn);
            prop_assert_eq!(verdict == Verdict::Allowed, expected, "{} /{}", method, path);
        }
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, (rules, token, _))) => panic!("{why}: {rules:#?} {token:?}"),
        Err(error) => panic!("{error}"),
    }
    let (said, refused) = (said.get(), refused.get());
    assert!(said > 1000 && refused > 300, "{said} said, {refused} refused");
}

/// Routes as people write them, each method and path asked for.
#[test]
fn an_api_as_people_have_it() {
    let rule = |method, path: &'static str, condition| Rule {
        method,
        path: path.split('/').collect(),
        condition,
    };
    let rules = [
        rule("GET", "status", "any"),
        rule("GET", "orders", "s0"),
        rule("POST", "orders", "s1"),
        rule("GET", "orders/*", "s0"),
        rule("GET", "orders/*/items", "s1"),
        rule("PUT", "orders/{x}", "s1"),
        rule("*", "admin/*", "admin"),
    ];
    let wire: Vec<Value> = rules.iter().map(Rule::json).collect();
    let profile = profile(Some(json!(wire).to_string().parse().unwrap()));
    let paths = [
        "",
        "status",
        "status/",
        "orders",
        "orders/",
        "orders/7",
        "orders/7/items",
        "orders/7/x",
        "orders/7/items/1",
        "admin",
        "admin/",
        "admin/x",
        "admin/x/y",
        "x/admin/y",
        "Status",
        "orders/../admin/x",
        "*",
        "orders/*",
        "orders/?",
        "%2A",
        "orders:7",
        "orders/a:b",
    ];
    for bits in 0..8_u8 {
        let bit = |at: u8| bits >> at & 1 == 1;
        let scopes = ["s0", "s1"].into_iter().zip([bit(0), bit(1)]);
        let scopes = scopes.filter_map(|(scope, has)| has.then_some(scope)).collect();
        let token = Token { scopes, admin: bit(2) };
        let (_, policy) = decided(&profile, &token, &("GET", "nothing".into()));
        for (method, path) in METHODS.iter().flat_map(|method| paths.map(|path| (*method, path))) {
            let verdict =
                policy.evaluate("execute-api:Invoke", &format!("{STAGE}/{method}/{path}"));
            let expected = says(&rules, &token, method, path);
            assert_eq!(verdict == Verdict::Allowed, expected, "{token:?} {method} /{path}");
        }
    }
}
