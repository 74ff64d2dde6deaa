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

use authorizer::{AuthorizerConfig, AuthorizerEvent, Decision, HttpApiResponse, decide, response};
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

    fn read_alike(&self, way: Way) -> Self {
        let read = |segment: &&'static str| match *segment {
            "A" if way.folds => vec!["a"],
            "a%2Fb" if way.decodes => vec!["a", "b"],
            "a%2Fb" if way.folds => vec!["a%2fb"],
            "b;v" if way.cuts != Cuts::Nothing => vec!["b"],
            plain => vec![plain],
        };
        Self { path: self.path.iter().flat_map(read).collect(), ..self.clone() }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Open,
    Closed,
    /// Open as it was sent, and closed for its spelling.
    ClosedSpelling,
}

fn says(rules: &[Rule], token: &Token, method: &str, path: &str) -> Said {
    let decides = |path: &str| {
        let fitting = rules.iter().filter(|rule| rule.fits(method, path));
        fitting.min_by_key(|rule| rule.specificity())
    };
    let without = path.strip_suffix('/').and_then(decides);
    let opening = decides(path).filter(|rule| token.opens(rule));
    let Some(opening) = opening.filter(|_| METHODS.contains(&method)) else { return Said::Closed };
    if without.is_some_and(|rule| !rule.path.contains(&"*") && !token.opens(rule)) {
        return Said::Closed;
    }
    if is_rewritten(path) {
        return Said::ClosedSpelling;
    }
    for way in Way::all() {
        let alike: Vec<(Rule, &Rule)> =
            rules.iter().map(|rule| (rule.read_alike(way), rule)).collect();
        let closes = |reading: &str| {
            let fitting = alike.iter().filter(|(alike, _)| alike.fits(method, reading));
            let least = fitting.clone().map(|(alike, _)| alike.rank()).min();
            let deciding = fitting.filter(|(alike, _)| Some(alike.rank()) == least);
            // Of two rules with one path, the one that names the method counts.
            let named = |rule: &Rule, it: &Rule| it.path == rule.path && it.method == method;
            let counts =
                |rule: &Rule| rule.method == method || !rules.iter().any(|it| named(rule, it));
            let deciding: Vec<&Rule> =
                deciding.map(|(_, rule)| *rule).filter(|rule| counts(rule)).collect();
            // A rule that opens the path as it was sent is about this very spelling.
            !deciding.iter().any(|rule| std::ptr::eq(*rule, opening))
                && deciding.iter().any(|rule| !token.opens(rule))
        };
        let reading = way.read(path);
        let merged: Vec<&str> = reading.split('/').filter(|it| !it.is_empty()).collect();
        let merged = merged.join("/");
        let closed = if way.merges {
            let slash = reading.ends_with('/') && !merged.is_empty();
            closes(&merged) || (slash && closes(&format!("{merged}/")))
        } else {
            closes(&reading)
        };
        if closed {
            return Said::ClosedSpelling;
        }
    }
    Said::Open
}

/// A way to read a path.
#[derive(Debug, Clone, Copy)]
struct Way {
    decodes: bool,
    cuts: Cuts,
    merges: bool,
    folds: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cuts {
    Nothing,
    First,
    Last,
}

impl Way {
    fn all() -> Vec<Self> {
        let mut ways = Vec::new();
        for bits in 0..8_u8 {
            let [decodes, merges, folds] = [1, 2, 4].map(|bit| bits & bit != 0);
            for cuts in [Cuts::Nothing, Cuts::First, Cuts::Last] {
                ways.push(Self { decodes, cuts, merges, folds });
            }
        }
        ways
    }

    fn read(self, path: &str) -> String {
        let cut = |text: &str| {
            let segments = text.split('/').map(|it| it.split_once(';').map_or(it, |it| it.0));
            segments.collect::<Vec<_>>().join("/")
        };
        let mut text = if self.cuts == Cuts::First { cut(path) } else { path.to_owned() };
        if self.decodes {
            text = decode(&text);
        }
        if self.folds {
            text = text.to_lowercase();
        }
        if self.cuts == Cuts::Last { cut(&text) } else { text }
    }
}

/// Whether a backend may rewrite the path.
fn is_rewritten(path: &str) -> bool {
    let decoded = decode(path);
    let dots = |way: &Way| way.read(path).split('/').any(|it| it == "." || it == "..");
    decoded.chars().any(|c| c == '\\' || c.is_control())
        || Way::all().iter().filter(|way| way.decodes).any(dots)
}

/// By one walk over the bytes.
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

struct Yes;

impl Verifier for Yes {
    type Error = &'static str;

    async fn verify(&self, _: &SignedParts<'_>) -> Result<Result<(), Rejection>, &'static str> {
        Ok(Ok(()))
    }
}

/// The decision on a route, the policy that comes back with it, and that policy as JSON.
fn decided(
    profile: &AuthorizerConfig,
    token: &Token,
    (method, path): &(&str, String),
) -> (bool, PolicyDocument, Value) {
    let arn = format!("{STAGE}/{method}/{path}");
    // REST and HTTP APIs by turns.
    let mut event = json!({"type": "REQUEST", "headers": {"Authorization": token.bearer()}});
    if path.len() % 2 == 0 {
        event["methodArn"] = arn.into();
    } else {
        event["version"] = "2.0".into();
        event["routeArn"] = arn.into();
    }
    let request: AuthorizerEvent = event.to_string().parse().unwrap();
    let now = UnixTime::from_seconds(1000);
    let mut decision = pin!(decide(&request, profile, now, &Yes));
    let Poll::Ready(Ok(decision)) = decision.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("the verifier answers at once")
    };
    let answer = response(&request, &decision, profile).unwrap();
    let mut answer = serde_json::to_value(answer).unwrap();
    assert!(answer.to_string().len() <= 8192);
    let written = answer["policyDocument"].take();
    let policy: PolicyDocument = serde_json::from_value(written.clone()).unwrap();
    assert!(policy.is_authorizers());
    (matches!(decision, Decision::Allow(_)), policy, written)
}

/// What one policy denies that the other does not.
fn denied_beside(policy: &Value, other: &Value) -> Vec<String> {
    let denied = |policy: &Value| -> Vec<String> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        let denying = statements.filter(|statement| statement["Effect"] == "Deny");
        let resources = denying.flat_map(|statement| statement["Resource"].as_array().unwrap());
        resources.map(|resource| resource.as_str().unwrap().to_owned()).collect()
    };
    let known = denied(other);
    denied(policy).into_iter().filter(|resource| !known.contains(resource)).collect()
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

fn profile(rules: Option<AccessRules>) -> AuthorizerConfig {
    AuthorizerConfig {
        token: jwt::Validation {
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
    let (said, refused, closed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 4000, ..Config::default() });
    let case = (vec(rule(), 1..7), token(), vec(request(), 2..40));
    let outcome = runner.run(&case, |(rules, token, requests)| {
        let wire: Vec<Value> = rules.iter().map(Rule::json).collect();
        let compiled = match json!(wire).to_string().parse::<AccessRules>() {
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
            Err(RulesError::Route { .. } | RulesError::TooLong(_)) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        said.set(said.get() + 1);
        let profile = profile(Some(compiled));
        let (_, kept, written) = decided(&profile, &token, &("GET", "nothing".into()));
        for request in &requests {
            let (allowed, own, own_written) = decided(&profile, &token, request);
            let (method, path) = request;
            let expected = says(&rules, &token, method, path);
            let is_open = expected == Said::Open;
            prop_assert_eq!(allowed, is_open, "the decision on {} /{}", method, path);
            let arn = format!("{STAGE}/{method}/{path}");
            let allows = |policy: &PolicyDocument| {
                policy.evaluate("execute-api:Invoke", &arn) == IamDecision::Allowed
            };
            prop_assert_eq!(allows(&own), is_open, "its own policy on {} /{}", method, path);
            // A cached policy cannot say every spelling; of all else it says what the rules say.
            let spelled = expected == Said::ClosedSpelling;
            prop_assert!(allows(&kept) == is_open || spelled, "{} /{}", method, path);
            // A policy depends on the token alone, but for the path that is closed for its spelling.
            let beside = denied_beside(&own_written, &written);
            prop_assert!(beside.len() <= usize::from(spelled), "{:?}", beside);
            closed.set(closed.get() + u32::from(spelled));
        }
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, (rules, token, _))) => panic!("{why}: {rules:#?} {token:?}"),
        Err(error) => panic!("{error}"),
    }
    let (said, refused, closed) = (said.get(), refused.get(), closed.get());
    let enough = said > 1000 && refused > 300 && closed > 1000;
    assert!(enough, "{said} said, {refused} refused, {closed} closed for their spelling");
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
        let (_, policy, _) = decided(&profile, &token, &("GET", "nothing".into()));
        for (method, path) in METHODS.iter().flat_map(|method| paths.map(|path| (*method, path))) {
            let verdict =
                policy.evaluate("execute-api:Invoke", &format!("{STAGE}/{method}/{path}"));
            let expected = says(&rules, &token, method, path);
            let is_open = expected == Said::Open;
            let spelled = expected == Said::ClosedSpelling;
            let fits = (verdict == IamDecision::Allowed) == is_open || spelled;
            assert!(fits, "{token:?} {method} /{path}: {expected:?}");
        }
    }
}

/// Other spellings of a closed path, and paths with encodings that are as good as others.
#[test]
fn another_spelling_of_a_closed_path_is_closed() {
    let rules = r#"[
        {"route": "GET /*", "any": true}, {"route": "* /admin/*", "scope": "s0"},
        {"route": "GET /orders/*/items", "scope": "s0"}, {"route": "GET /secret", "scope": "s0"}
    ]"#;
    let profile = profile(Some(rules.parse().unwrap()));
    let token = Token { scopes: vec![], admin: false };
    let (_, cached, _) = decided(&profile, &token, &("GET", "nothing".into()));
    // Each path, whether it is open, and what a cached policy says of it.
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
        let (allowed, own, _) = decided(&profile, &token, &("GET", path.into()));
        let arn = format!("{STAGE}/GET/{path}");
        let allows = |policy: &PolicyDocument| {
            policy.evaluate("execute-api:Invoke", &arn) == IamDecision::Allowed
        };
        let found = (allowed, allows(&own), allows(&cached));
        assert_eq!(found, (expected, expected, by_cached), "{path}");
        let admin = Token { scopes: vec!["s0"], admin: false };
        let (allowed, ..) = decided(&profile, &admin, &("GET", path.into()));
        assert_eq!(allowed, !is_rewritten(path), "{path}: all is open to this token");
    }
    for method in ["PROPFIND", "get", "*"] {
        let (allowed, own, _) = decided(&profile, &token, &(method, "x".into()));
        let verdict = own.evaluate("execute-api:Invoke", &format!("{STAGE}/{method}/x"));
        assert!(!allowed && verdict != IamDecision::Allowed, "{method}");
    }
}

/// The path is denied as it is, also where it has what means more in a policy, and no other.
#[test]
fn closed_path_is_denied_alone() {
    let rules = r#"[{"route": "GET /*", "any": true}, {"route": "* /admin/*", "scope": "s0"}]"#;
    let profile = profile(Some(rules.parse().unwrap()));
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
        let (allowed, own, written) = decided(&profile, &token, &("GET", path.into()));
        let allows = |path: &str| {
            let arn = format!("{STAGE}/GET/{path}");
            own.evaluate("execute-api:Invoke", &arn) == IamDecision::Allowed
        };
        assert_eq!((allowed, allows(path), allows(other)), (false, false, expected), "{path}");
        let (_, _, base) = decided(&profile, &token, &("GET", "nothing".into()));
        let beside = denied_beside(&written, &base);
        assert!(beside.len() == 1 && beside[0].chars().count() <= 512, "{beside:?}");
    }
}
