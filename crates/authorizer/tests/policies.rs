//! API Gateway, with a policy of the authorizer, decides on every route as the access rules do. This also holds for
//! a policy that was cached for another route.

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
};

use authorizer::{AuthorizerConfig, AuthorizerEvent, Decision, decide, response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Rejection, SignedParts, UnixTime, Verifier};
use local::iam::{IamDecision, PolicyDocument};
use policy::access::{AccessRules, RulesError};
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

    /// The path as a pattern: a parameter next to a `*` becomes part of it.
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

    fn matches(&self, method: &str, path: &str) -> bool {
        fn segments_match(pattern: &[&str], path: &[&str]) -> bool {
            match (pattern, path) {
                ([], []) => true,
                (["*", rest @ ..], [_, after @ ..]) => {
                    segments_match(rest, after) || segments_match(pattern, after)
                }
                (["{x}", rest @ ..], [segment, after @ ..]) => {
                    !segment.is_empty() && segments_match(rest, after)
                }
                ([text, rest @ ..], [segment, after @ ..]) => {
                    text == segment && segments_match(rest, after)
                }
                _ => false,
            }
        }
        let path: Vec<&str> = path.split('/').collect();
        (self.method == "*" || self.method == method) && segments_match(&self.pattern(), &path)
    }

    /// A text that sorts before that of a less specific path.
    fn rank(&self) -> String {
        let letter = |segment: &&str| match *segment {
            "{x}" => 'b',
            "*" => 'c',
            _ => 'a',
        };
        self.pattern().iter().map(letter).chain(['d']).collect()
    }

    fn specificity(&self) -> String {
        format!("{}{}", self.rank(), if self.method == "*" { 'b' } else { 'a' })
    }

    fn normalized(&self, way: Normalization) -> Self {
        let normalize = |segment: &&'static str| match *segment {
            "A" if way.folds_case => vec!["a"],
            "a%2Fb" if way.decodes => vec!["a", "b"],
            "a%2Fb" if way.folds_case => vec!["a%2fb"],
            "b;v" if way.parameters != PathParameters::Kept => vec!["b"],
            plain => vec![plain],
        };
        Self { path: self.path.iter().flat_map(normalize).collect(), ..self.clone() }
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

/// The verdict of the rules on a route, as the documentation describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RouteAccess {
    Open,
    Closed,
    /// The path as sent is open, but it is another spelling of a closed path.
    ClosedSpelling,
}

fn route_access(rules: &[Rule], token: &Token, method: &str, path: &str) -> RouteAccess {
    let deciding_rule = |path: &str| {
        let matching = rules.iter().filter(|rule| rule.matches(method, path));
        matching.min_by_key(|rule| rule.specificity())
    };
    let without_slash = path.strip_suffix('/').and_then(deciding_rule);
    let opening = deciding_rule(path).filter(|rule| token.opens(rule));
    let Some(opening) = opening.filter(|_| METHODS.contains(&method)) else {
        return RouteAccess::Closed;
    };
    if without_slash.is_some_and(|rule| !rule.path.contains(&"*") && !token.opens(rule)) {
        return RouteAccess::Closed;
    }
    if is_ambiguous(path) {
        return RouteAccess::ClosedSpelling;
    }
    for way in Normalization::all() {
        let normalized: Vec<(Rule, &Rule)> =
            rules.iter().map(|rule| (rule.normalized(way), rule)).collect();
        let is_closed = |path: &str| {
            let matching = normalized.iter().filter(|(rule, _)| rule.matches(method, path));
            let most_specific = matching.clone().map(|(rule, _)| rule.rank()).min();
            let deciding = matching.filter(|(rule, _)| Some(rule.rank()) == most_specific);
            // Of two rules with the same path, the one that names the method counts.
            let overrides =
                |other: &Rule, rule: &Rule| other.path == rule.path && other.method == method;
            let counts = |rule: &Rule| {
                rule.method == method || !rules.iter().any(|other| overrides(other, rule))
            };
            let deciding: Vec<&Rule> =
                deciding.map(|(_, rule)| *rule).filter(|rule| counts(rule)).collect();
            // A rule that opens the path as sent is meant for this spelling.
            !deciding.iter().any(|rule| std::ptr::eq(*rule, opening))
                && deciding.iter().any(|rule| !token.opens(rule))
        };
        let path = way.apply(path);
        let merged: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let merged = merged.join("/");
        let closes_path = if way.merges_slashes {
            let has_slash = path.ends_with('/') && !merged.is_empty();
            is_closed(&merged) || (has_slash && is_closed(&format!("{merged}/")))
        } else {
            is_closed(&path)
        };
        if closes_path {
            return RouteAccess::ClosedSpelling;
        }
    }
    RouteAccess::Open
}

/// A way in which a backend may normalize a path.
#[derive(Debug, Clone, Copy)]
struct Normalization {
    decodes: bool,
    parameters: PathParameters,
    merges_slashes: bool,
    folds_case: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathParameters {
    Kept,
    RemovedBeforeDecoding,
    RemovedAfterDecoding,
}

impl Normalization {
    fn all() -> Vec<Self> {
        let mut ways = Vec::new();
        for bits in 0..8_u8 {
            let [decodes, merges_slashes, folds_case] = [1, 2, 4].map(|bit| bits & bit != 0);
            for parameters in [
                PathParameters::Kept,
                PathParameters::RemovedBeforeDecoding,
                PathParameters::RemovedAfterDecoding,
            ] {
                ways.push(Self { decodes, parameters, merges_slashes, folds_case });
            }
        }
        ways
    }

    fn apply(self, path: &str) -> String {
        let without_parameters = |text: &str| {
            let segments = text
                .split('/')
                .map(|segment| segment.split_once(';').map_or(segment, |(name, _)| name));
            segments.collect::<Vec<_>>().join("/")
        };
        let mut text = if self.parameters == PathParameters::RemovedBeforeDecoding {
            without_parameters(path)
        } else {
            path.to_owned()
        };
        if self.decodes {
            text = decode(&text);
        }
        if self.folds_case {
            text = text.to_lowercase();
        }
        if self.parameters == PathParameters::RemovedAfterDecoding {
            without_parameters(&text)
        } else {
            text
        }
    }
}

/// Whether a backend may resolve the path to another path: it has a dot segment, a backslash or a control character.
fn is_ambiguous(path: &str) -> bool {
    let decoded = decode(path);
    let has_dot_segment = |way: &Normalization| {
        way.apply(path).split('/').any(|segment| segment == "." || segment == "..")
    };
    decoded.chars().any(|c| c == '\\' || c.is_control())
        || Normalization::all().iter().filter(|way| way.decodes).any(has_dot_segment)
}

/// Percent-decodes a path once.
fn decode(path: &str) -> String {
    let (mut rest, mut bytes) = (path.as_bytes(), Vec::new());
    while let [first, after @ ..] = rest {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        rest = after;
        bytes.push(match (first, after) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    u8::try_from(high * 16 + low).unwrap()
                }
                _ => b'%',
            },
            _ => *first,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Accepts every signature.
struct FakeVerifier;

impl Verifier for FakeVerifier {
    type Error = &'static str;

    async fn verify(&self, _: &SignedParts<'_>) -> Result<Result<(), Rejection>, &'static str> {
        Ok(Ok(()))
    }
}

/// Whether a route is open, the policy in the response, and that policy as JSON.
fn respond(
    config: &AuthorizerConfig,
    token: &Token,
    (method, path): &(&str, String),
) -> (bool, PolicyDocument, Value) {
    let arn = format!("{STAGE}/{method}/{path}");
    // The length of the path selects a REST or an HTTP API.
    let mut event = json!({"type": "REQUEST", "headers": {"Authorization": token.bearer()}});
    if path.len() % 2 == 0 {
        event["methodArn"] = arn.into();
    } else {
        event["version"] = "2.0".into();
        event["routeArn"] = arn.into();
    }
    let request: AuthorizerEvent = event.to_string().parse().unwrap();
    let now = UnixTime::from_seconds(1000);
    let mut decision = pin!(decide(&request, config, now, &FakeVerifier));
    let Poll::Ready(Ok(decision)) = decision.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("the verifier never waits")
    };
    let response = response(&request, &decision, config).unwrap();
    let mut response = serde_json::to_value(response).unwrap();
    assert!(response.to_string().len() <= 8192);
    let json = response["policyDocument"].take();
    let policy: PolicyDocument = serde_json::from_value(json.clone()).unwrap();
    assert!(policy.is_authorizer_policy());
    (matches!(decision, Decision::Allow(_)), policy, json)
}

/// The resources that one policy denies and the other does not.
fn additionally_denied(policy: &Value, other: &Value) -> Vec<String> {
    let denied = |policy: &Value| -> Vec<String> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        let denying = statements.filter(|statement| statement["Effect"] == "Deny");
        let resources = denying.flat_map(|statement| statement["Resource"].as_array().unwrap());
        resources.map(|resource| resource.as_str().unwrap().to_owned()).collect()
    };
    let denied_by_other = denied(other);
    denied(policy).into_iter().filter(|resource| !denied_by_other.contains(resource)).collect()
}

fn rule() -> impl Strategy<Value = Rule> {
    let method = select(&["GET", "GET", "GET", "POST", "*"][..]);
    let path = vec(
        select(&["a", "a", "a", "b", "b", "{x}", "{x}", "*", "*", "a:b", "A", "a%2Fb", "b;v"][..]),
        1..4,
    );
    let condition = select(&["any", "s0", "s0", "s1", "s2", "admin"][..]);
    (method, path, condition).prop_map(|(method, path, condition)| Rule { method, path, condition })
}

fn token() -> impl Strategy<Value = Token> {
    let scopes = proptest::sample::subsequence(vec!["s0", "s1", "s2"], 0..=3);
    (scopes, any::<bool>()).prop_map(|(scopes, admin)| Token { scopes, admin })
}

fn request() -> impl Strategy<Value = (&'static str, String)> {
    let segments = [
        "a", "a", "a", "a", "b", "b", "b", "c", "", "*", "?", "%2A", "{x}", "?*", "aa", "GET",
        "a:b", "A", "%61", "%41", "a%2Fb", "a%2fB", "b;v", "b;", "a;v=1", ";", "%3B", ".", "..",
        "%2e", ".%2E", "..;x", "%5C", "%0a", "a%20b", "%25", "%2561", "a%40b.c", ";%2F", "b;%2Fa",
    ];
    let method = select(&["GET", "GET", "GET", "GET", "POST", "PUT", "DELETE", "PROPFIND"][..]);
    let path = vec(select(Vec::from(segments)), 1..6);
    (method, path).prop_map(|(method, path)| (method, path.join("/")))
}

fn config(rules: Option<AccessRules>) -> AuthorizerConfig {
    let token = jwt::Validation::new(Some("us".into()), Some(vec![]));
    AuthorizerConfig { rules, ..AuthorizerConfig::new(token) }
}

#[test]
fn policy_agrees_with_the_rules_on_every_route() {
    let (accepted, rejected, closed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 4000, ..Config::default() });
    let case = (vec(rule(), 1..7), token(), vec(request(), 2..40));
    let outcome = runner.run(&case, |(rules, token, requests)| {
        let json: Vec<Value> = rules.iter().map(Rule::json).collect();
        let compiled = match json!(json).to_string().parse::<AccessRules>() {
            Ok(compiled) => compiled,
            Err(
                RulesError::Below(..)
                | RulesError::Within(..)
                | RulesError::Ambiguous(..)
                | RulesError::Twice(..),
            ) => {
                rejected.set(rejected.get() + 1);
                return Ok(());
            }
            Err(RulesError::Route { .. } | RulesError::TooLong(_)) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        accepted.set(accepted.get() + 1);
        let config = config(Some(compiled));
        let (_, cached, cached_json) = respond(&config, &token, &("GET", "nothing".into()));
        for request in &requests {
            let (is_allowed, own, own_json) = respond(&config, &token, request);
            let (method, path) = request;
            let expected = route_access(&rules, &token, method, path);
            let is_open = expected == RouteAccess::Open;
            prop_assert_eq!(is_allowed, is_open, "the decision on {} /{}", method, path);
            let arn = format!("{STAGE}/{method}/{path}");
            let allows = |policy: &PolicyDocument| {
                policy.evaluate("execute-api:Invoke", &arn) == IamDecision::Allowed
            };
            prop_assert_eq!(allows(&own), is_open, "its own policy on {} /{}", method, path);
            // A cached policy cannot list every spelling of a closed path.
            let is_spelling = expected == RouteAccess::ClosedSpelling;
            prop_assert!(allows(&cached) == is_open || is_spelling, "{} /{}", method, path);
            // The policy depends only on the token, except that it also denies a path with a closed spelling.
            let denied = additionally_denied(&own_json, &cached_json);
            prop_assert!(denied.len() <= usize::from(is_spelling), "{:?}", denied);
            closed.set(closed.get() + u32::from(is_spelling));
        }
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, (rules, token, _))) => panic!("{reason}: {rules:#?} {token:?}"),
        Err(error) => panic!("{error}"),
    }
    let (accepted, rejected, closed) = (accepted.get(), rejected.get(), closed.get());
    let is_enough = accepted > 1000 && rejected > 300 && closed > 1000;
    assert!(is_enough, "rules: {accepted} accepted, {rejected} rejected; spellings: {closed}");
}

/// Rules of a realistic API, with every method on every path.
#[test]
fn policy_of_a_realistic_api_agrees_with_the_rules() {
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
    let json: Vec<Value> = rules.iter().map(Rule::json).collect();
    let config = config(Some(json!(json).to_string().parse().unwrap()));
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
        let scopes = scopes.filter_map(|(scope, is_granted)| is_granted.then_some(scope)).collect();
        let token = Token { scopes, admin: bit(2) };
        let (_, policy, _) = respond(&config, &token, &("GET", "nothing".into()));
        for (method, path) in METHODS.iter().flat_map(|method| paths.map(|path| (*method, path))) {
            let verdict =
                policy.evaluate("execute-api:Invoke", &format!("{STAGE}/{method}/{path}"));
            let expected = route_access(&rules, &token, method, path);
            let is_open = expected == RouteAccess::Open;
            let is_spelling = expected == RouteAccess::ClosedSpelling;
            let agrees = (verdict == IamDecision::Allowed) == is_open || is_spelling;
            assert!(agrees, "{token:?} {method} /{path}: {expected:?}");
        }
    }
}

/// Spellings of a closed path, and encoded paths that stay open.
#[test]
fn spellings_of_a_closed_path_are_closed() {
    let rules = r#"[
        {"route": "GET /*", "any": true}, {"route": "* /admin/*", "scope": "s0"},
        {"route": "GET /orders/*/items", "scope": "s0"}, {"route": "GET /secret", "scope": "s0"}
    ]"#;
    let config = config(Some(rules.parse().unwrap()));
    let token = Token { scopes: vec![], admin: false };
    let (_, cached, _) = respond(&config, &token, &("GET", "nothing".into()));
    // Each path, whether it is open, and whether a cached policy allows it.
    let rows = [
        ("admin/x", false, false),
        ("%61dmin/x", false, true),
        ("./admin/x", false, false),
        ("x/../admin/x", false, false),
        ("x/..", false, false),
        ("x/..;/admin/x", false, false),
        ("x/%2e%2e/admin/x", false, true),
        ("x%2F..%2Fadmin", false, true),
        ("admin%2Fx", false, true),
        ("admin%2fx", false, true),
        ("/admin/x", false, false),
        ("//admin/x", false, true),
        ("/admin/", false, false),
        ("admin//x", false, false),
        ("admin;v=1/x", false, true),
        ("ADMIN/x", false, true),
        ("Admin/", false, true),
        ("admin\\x", false, true),
        ("x%5Cadmin", false, true),
        ("x%00", false, true),
        ("orders/7/items", false, false),
        ("orders/7/items/", false, false),
        ("orders/7/items//", false, true),
        ("orders/7/Items", false, true),
        ("orders/;7/%69tems", false, true),
        ("orders//%69tems", false, true),
        ("orders//ITEMS", false, true),
        (";%2Fz/admin/x", false, true),
        ("x;%2F/../admin/x", false, false),
        ("admin;%2Fc/x", false, true),
        ("adm%C4%B0n/x", false, true),
        ("a/.;x/b", false, false),
        ("orders/7%2Fitems", false, true),
        ("secret/", false, false),
        ("secret//", false, true),
        ("secret;a", false, true),
        ("/secret", false, false),
        ("u/a%40b.c", true, true),
        ("x%20y", true, true),
        ("objects/a%2Fb", true, true),
        ("objects/%C3%A4", true, true),
        ("v3/events:batchGet", true, true),
        ("a;v=1/x", true, true),
        ("/x//y/", true, true),
        ("X/Y", true, true),
        ("100%", true, true),
        ("...", true, true),
        ("x/administration", true, true),
        ("", true, true),
    ];
    for (path, expected, by_cached) in rows {
        let (is_allowed, own, _) = respond(&config, &token, &("GET", path.into()));
        let arn = format!("{STAGE}/GET/{path}");
        let allows = |policy: &PolicyDocument| {
            policy.evaluate("execute-api:Invoke", &arn) == IamDecision::Allowed
        };
        let found = (is_allowed, allows(&own), allows(&cached));
        assert_eq!(found, (expected, expected, by_cached), "{path}");
        let admin = Token { scopes: vec!["s0"], admin: false };
        let (is_allowed, ..) = respond(&config, &admin, &("GET", path.into()));
        assert_eq!(is_allowed, !is_ambiguous(path), "{path}: every rule is open to this token");
    }
    for method in ["PROPFIND", "get", "*"] {
        let (is_allowed, own, _) = respond(&config, &token, &(method, "x".into()));
        let verdict = own.evaluate("execute-api:Invoke", &format!("{STAGE}/{method}/x"));
        assert!(!is_allowed && verdict != IamDecision::Allowed, "{method}");
    }
}

/// The policy denies exactly the path that was sent, even if the path contains wildcards or variables of IAM.
#[test]
fn only_the_closed_path_is_additionally_denied() {
    let rules = r#"[{"route": "GET /*", "any": true}, {"route": "* /admin/*", "scope": "s0"}]"#;
    let config = config(Some(rules.parse().unwrap()));
    let token = Token { scopes: vec![], admin: false };
    let long = format!("Admin/{}", "x".repeat(600));
    let rows = [
        ("%61dmin/*", "%61dmin/x/y", true),
        ("%61dmin/**", "%61dmin/abc", true),
        ("%61dmin/?", "%61dmin/xy", true),
        ("%61dmin/${aws:username}", "%61dmin/me", true),
        ("%61dmin/ä", "%61dmin/äx", true),
        ("%61dmin/\u{1}\\\"", "%61dmin/xyzw", true),
        (&*long, "Admin/y", true),
    ];
    for (path, other, expected) in rows {
        let (is_allowed, own, json) = respond(&config, &token, &("GET", path.into()));
        let allows = |path: &str| {
            let arn = format!("{STAGE}/GET/{path}");
            own.evaluate("execute-api:Invoke", &arn) == IamDecision::Allowed
        };
        assert_eq!((is_allowed, allows(path), allows(other)), (false, false, expected), "{path}");
        let (_, _, base) = respond(&config, &token, &("GET", "nothing".into()));
        let denied = additionally_denied(&json, &base);
        assert!(denied.len() == 1 && denied[0].chars().count() <= 512, "{denied:?}");
    }
}
