use serde_json::json;

use super::*;
use crate::issuance::{AssertedIdentity, IssuancePolicy};

const DEFAULTS: IssuanceDefaults<'static> = IssuanceDefaults {
    audience: Some("https://api.example"),
    lifetime: Duration::from_mins(15),
    lifetime_max: Duration::from_hours(1),
};

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/orders";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/orders/i-1";

fn github(claims: Value) -> Caller {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    let subject = "repo:acme@1/app@42:environment:production".into();
    Caller::Assertion(AssertedIdentity { issuer: GITHUB.into(), subject, claims })
}

fn production() -> Caller {
    github(json!({
        "repository_id": "42", "environment": "production", "repository_owner_id": "1",
        "run_attempt": 2, "teams": ["a", "b"], "nested": {"a": 1},
    }))
}

fn policy(rules: &Value) -> IssuancePolicy {
    rules.to_string().parse().unwrap()
}

type Row<'a> = (&'a str, Value, Caller, Option<&'a str>, &'a [&'a str], Result<Value, DeniedField>);

fn assert_grants(rows: Vec<Row<'_>>, defaults: &IssuanceDefaults<'_>) {
    let mut wrong = Vec::new();
    for (name, rule, caller, scope, audiences, expected) in rows {
        let audiences: Vec<_> = audiences.iter().map(|&audience| audience.to_owned()).collect();
        let request = ClientRequest { scope, audiences: &audiences, lifetime: None };
        let grant = policy(&json!([rule])).grant_to_client(&request, &caller, defaults);
        let claims = grant.map(|grant| Value::Object(grant.claims));
        if claims != expected {
            wrong.push(format!("{name}: {claims:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const SUBJECT: &str = "repo:acme@1/app@42:environment:production";

/// A rule for production, with another value of a member.
fn rule_with(member: &str, value: Value) -> Value {
    let caller = json!({
        "issuer": GITHUB,
        "when": "claims.repository_id == '42' && claims.environment == 'production'",
    });
    let mut rule = json!({"caller": caller, "scope": ["deploy", "read:*"]});
    rule[member] = value;
    rule
}

/// The claims that this rule grants, with another value of a claim.
fn token_with(name: &str, value: Value) -> Value {
    let mut token = json!({"sub": SUBJECT, "aud": "https://api.example", "scope": "deploy"});
    token[name] = value;
    token
}

#[test]
fn rule_for_an_issuer_applies_only_to_assertions_that_meet_its_condition() {
    let rule = rule_with("max_lifetime", json!(900));
    let elsewhere = Caller::Assertion(AssertedIdentity {
        issuer: "https://gitlab.example".into(),
        subject: SUBJECT.into(),
        claims: json!({"repository_id": "42", "environment": "production"})
            .as_object()
            .unwrap()
            .clone(),
    });
    let (caller, condition) = (Err(DeniedField::Caller), Err(DeniedField::Condition));
    let other = |claims: Value| github(claims);
    let rows = [
        ("production", production(), Ok(token_with("sub", json!(SUBJECT)))),
        (
            "another repository",
            other(json!({"repository_id": "43", "environment": "production"})),
            condition.clone(),
        ),
        ("a claim is missing", other(json!({"repository_id": "42"})), condition.clone()),
        (
            "a claim is a number",
            other(json!({"repository_id": 42, "environment": "production"})),
            condition,
        ),
        ("another issuer", elsewhere, caller.clone()),
        ("a caller of IAM", Caller::Iam(ROLE.into()), caller.clone()),
        ("a direct invocation", Caller::Invoke, caller.clone()),
    ];
    let rows = rows.map(|(name, caller, expected)| -> Row<'_> {
        (name, rule.clone(), caller, None, &[], expected)
    });
    let for_iam = json!({"caller": "*", "subject": "*"});
    let more: Row<'_> = ("every caller of IAM", for_iam, production(), None, &[], caller);
    assert_grants(rows.into_iter().chain([more]).collect(), &DEFAULTS);
}

#[test]
fn requested_scopes_or_else_the_literal_scopes_are_granted() {
    let (deploy, patterns) = (json!(["deploy", "read:*"]), json!(["read:*"]));
    let without_scope = json!({"sub": SUBJECT, "aud": "https://api.example"});
    let scopes = |scope: &str| Ok(token_with("scope", json!(scope)));
    let rows = [
        ("literal scopes are the default", &deploy, None, scopes("deploy")),
        ("all literal scopes", &json!(["b", "a", "c*"]), None, scopes("b a")),
        ("scopes that are asked for", &deploy, Some("read:a deploy"), scopes("read:a deploy")),
        ("one of two scopes", &deploy, Some("deploy admin"), Err(DeniedField::Scope)),
        ("only wildcards, none asked for", &patterns, None, Err(DeniedField::Scope)),
        ("only wildcards, one asked for", &patterns, Some("read:a"), scopes("read:a")),
        ("none in the rule", &json!([]), None, Ok(without_scope)),
        ("none in the rule, one asked for", &json!([]), Some("a"), Err(DeniedField::Scope)),
    ];
    let rows = rows.map(|(name, scope, asked, expected)| -> Row<'_> {
        (name, rule_with("scope", scope.clone()), production(), asked, &[], expected)
    });
    assert_grants(rows.into(), &DEFAULTS);
}

#[test]
fn subject_comes_from_the_assertion_or_the_expression() {
    let rows = [
        ("an expression", "subject_from", "'github:' + claims.repository_id", Ok("github:42")),
        ("a number", "subject_from", "claims.run_attempt", Err(DeniedField::Subject)),
        ("a missing claim", "subject_from", "claims.missing", Err(DeniedField::Subject)),
        ("an empty text", "subject_from", "''", Err(DeniedField::Subject)),
        ("white space", "subject_from", "'a b'", Err(DeniedField::Subject)),
        ("a pattern that matches", "subject", "repo:acme@1/*", Ok(SUBJECT)),
        ("a pattern that does not match", "subject", "repo:b@2/*", Err(DeniedField::Subject)),
    ];
    let rows = rows.map(|(name, member, value, expected)| -> Row<'_> {
        let expected = expected.map(|subject| token_with("sub", json!(subject)));
        (name, rule_with(member, json!(value)), production(), None, &[], expected)
    });
    let mut both = rule_with("subject_from", json!("'github:' + claims.repository_id"));
    both["subject"] = json!("repo:*");
    let both: Row<'_> = ("both", both, production(), None, &[], Err(DeniedField::Subject));
    assert_grants(rows.into_iter().chain([both]).collect(), &DEFAULTS);
}

#[test]
fn claims_from_takes_values_from_the_assertion() {
    let rows = [
        ("a text", "claims.repository_owner_id", Ok(json!("1"))),
        ("a number", "claims.run_attempt", Ok(json!(2))),
        ("a list", "claims.teams", Ok(json!(["a", "b"]))),
        ("a boolean", "claims.environment == 'production'", Ok(json!(true))),
        ("a missing claim", "claims.missing", Err(DeniedField::Claim)),
        ("an object", "claims.nested", Err(DeniedField::Claim)),
        ("null", "null", Err(DeniedField::Claim)),
        ("a fraction", "0.5", Err(DeniedField::Claim)),
        ("a list with a list", "[claims.teams]", Err(DeniedField::Claim)),
    ];
    let rows = rows.map(|(name, expression, expected)| -> Row<'_> {
        let rule = rule_with("claims_from", json!({"a": expression}));
        (name, rule, production(), None, &[], expected.map(|value| token_with("a", value)))
    });
    assert_grants(rows.into(), &DEFAULTS);
}

const ORDERS: &str = "https://orders.example";

#[test]
fn default_audience_or_an_audience_of_the_rule_is_granted() {
    let with = |audience: Value| json!({"caller": {"issuer": GITHUB}, "audience": audience});
    let token = |audience: Value| {
        let mut token = json!({"sub": "repo:acme@1/app@42:environment:production"});
        if !audience.is_null() {
            token["aud"] = audience;
        }
        Ok(token)
    };
    let default = || token(json!("https://api.example"));
    let denied = || Err(DeniedField::Audience);
    let rows: Vec<(&str, Value, &[&str], _)> = vec![
        ("none asked for", with(json!(ORDERS)), &[], default()),
        ("the default", with(json!([])), &["https://api.example"], default()),
        ("the default as a URL writes it", with(json!("*")), &["https://api.example/"], default()),
        ("one of the rule", with(json!(ORDERS)), &[ORDERS], token(json!(ORDERS))),
        (
            "one of the rule as a URL writes it",
            with(json!(["x", ORDERS])),
            &["https://orders.example/"],
            token(json!(ORDERS)),
        ),
        (
            "a slash that the rule has",
            with(json!("https://orders.example/")),
            &["https://orders.example/"],
            token(json!("https://orders.example/")),
        ),
        (
            "a slash that the rule has and the request has not",
            with(json!("https://orders.example/")),
            &[ORDERS],
            denied(),
        ),
        (
            "a pattern",
            with(json!("https://*.example")),
            &["https://a.example/"],
            token(json!("https://a.example")),
        ),
        (
            "a pattern for both spellings",
            with(json!("https://a.*")),
            &["https://a.example/"],
            token(json!("https://a.example/")),
        ),
        (
            "a slash after a path",
            with(json!("https://a.example/v1")),
            &["https://a.example/v1/"],
            denied(),
        ),
        ("a slash that is not of a URL", with(json!("orders")), &["orders/"], denied()),
        (
            "two",
            with(json!([ORDERS])),
            &[ORDERS, "https://api.example/"],
            token(json!([ORDERS, "https://api.example"])),
        ),
        (
            "one twice",
            with(json!([ORDERS])),
            &[ORDERS, "https://orders.example/"],
            token(json!(ORDERS)),
        ),
        (
            "one of two is not granted",
            with(json!([ORDERS])),
            &[ORDERS, "https://other.example"],
            denied(),
        ),
        ("none of the rule", with(json!([])), &[ORDERS], denied()),
    ];
    let rows = rows.into_iter().map(|(name, rule, audiences, expected)| {
        (name, rule, production(), None, audiences, expected)
    });
    assert_grants(rows.collect(), &DEFAULTS);
    let without_default: Vec<(&str, Value, &[&str], _)> = vec![
        ("no default and none in the rule", with(json!([])), &[], token(json!(null))),
        ("no default and one in the rule", with(json!([ORDERS])), &[], token(json!(ORDERS))),
        ("no default and two in the rule", with(json!([ORDERS, "x"])), &[], denied()),
        ("no default and a pattern", with(json!("*")), &[], denied()),
    ];
    let rows = without_default.into_iter().map(|(name, rule, audiences, expected)| {
        (name, rule, production(), None, audiences, expected)
    });
    assert_grants(rows.collect(), &IssuanceDefaults { audience: None, ..DEFAULTS });
}

#[test]
fn caller_of_iam_becomes_the_subject_if_the_rule_allows_it() {
    let iam = |arn: &str| Caller::Iam(arn.to_owned());
    let user = "arn:aws:iam::123456789012:user/ann";
    let token = |subject: &str| Ok(json!({"sub": subject, "aud": "https://api.example"}));
    let rows: Vec<Row<'_>> = vec![
        (
            "a session",
            json!({"caller": ROLE, "subject": ROLE}),
            iam(SESSION),
            None,
            &[],
            token(ROLE),
        ),
        ("a user", json!({"caller": user, "subject": "*"}), iam(user), None, &[], token(user)),
        ("no subject", json!({"caller": ROLE}), iam(SESSION), None, &[], Err(DeniedField::Subject)),
        (
            "another subject",
            json!({"caller": ROLE, "subject": "orders-*"}),
            iam(SESSION),
            None,
            &[],
            Err(DeniedField::Subject),
        ),
        (
            "another caller",
            json!({"caller": user, "subject": "*"}),
            iam(SESSION),
            None,
            &[],
            Err(DeniedField::Caller),
        ),
        (
            "a direct invocation",
            json!({"caller": "invoke", "subject": "*"}),
            Caller::Invoke,
            None,
            &[],
            Err(DeniedField::Subject),
        ),
        (
            "a scope under a rule without one",
            json!({"caller": ROLE, "subject": "*"}),
            iam(SESSION),
            Some("a"),
            &[],
            Err(DeniedField::Scope),
        ),
    ];
    assert_grants(rows, &DEFAULTS);
}

#[test]
fn grant_has_the_lifetime_and_the_number_of_its_rule() {
    let policy = policy(&json!([
        {"caller": {"issuer": GITHUB, "when": "claims.repository_id == '7'"}},
        {"caller": {"issuer": GITHUB}, "scope": "short", "max_lifetime": 300},
        {"caller": {"issuer": GITHUB}, "scope": ["long", "short"]},
    ]));
    let grant = |scope, seconds: Option<u64>| {
        let lifetime = seconds.map(Duration::from_secs);
        let request = ClientRequest { scope: Some(scope), audiences: &[], lifetime };
        let grant = policy.grant_to_client(&request, &production(), &DEFAULTS);
        grant.map(|grant| (grant.rule, grant.lifetime.as_secs()))
    };
    assert_eq!(grant("short", None), Ok((2, 300)));
    assert_eq!(grant("long", None), Ok((3, 900)));
    assert_eq!(grant("short", Some(600)), Ok((3, 600)));
    assert_eq!(grant("long", Some(3600)), Ok((3, 3600)));
    assert_eq!(grant("long", Some(3601)), Err(DeniedField::Lifetime));
    // The field of the rule that grants the most parts.
    assert_eq!(grant("other", None), Err(DeniedField::Scope));
}

#[test]
fn explanation_has_the_verdict_of_each_rule() {
    let policy = policy(&json!([
        {"caller": "*"},
        {"caller": {"issuer": "https://gitlab.example"}},
        {"caller": {"issuer": GITHUB, "when": "claims.repository_id == '7'"}},
        {"caller": {"issuer": GITHUB}, "scope": "read"},
        {"caller": {"issuer": GITHUB}, "scope": "deploy"},
        {"caller": {"issuer": GITHUB}, "scope": "*"},
    ]));
    let request = ClientRequest { scope: Some("deploy"), audiences: &[], lifetime: None };
    let verdicts = policy.explain(&request, &production(), &DEFAULTS);
    let fields: Vec<_> = verdicts.iter().map(|verdict| verdict.result.as_ref().err()).collect();
    let expected = [
        Some(&DeniedField::Caller),
        Some(&DeniedField::Caller),
        Some(&DeniedField::Condition),
        Some(&DeniedField::Scope),
        None,
        None,
    ];
    assert_eq!(fields, expected);
    assert!(verdicts.iter().map(|verdict| verdict.rule).eq(1..7));
}

/// A rule that is too expensive for the assertion is reported as over budget, not as a denied caller.
#[test]
fn expression_beyond_the_budget_is_reported_with_its_rule() {
    let numbers: Vec<_> = (0..1500).collect();
    let caller = github(json!({"repository_id": "42", "a": numbers, "b": numbers}));
    let expensive = "claims.a.all(x, x in claims.b)";
    let when = |text: &str| json!({"caller": {"issuer": GITHUB, "when": text}, "scope": "read"});
    let with = |member: &str, value: Value| {
        let mut rule = when("true");
        rule[member] = value;
        rule
    };
    let over_budget = |rule, member| Err(DeniedField::OverBudget { rule, member });
    let from = format!("{expensive} ? 'a' : 'b'");
    let no = when("claims.repository_id == '7'");
    let rows = [
        ("a condition", vec![no.clone(), when(expensive)], over_budget(2, "when")),
        ("a subject", vec![with("subject_from", json!(from))], over_budget(1, "subject_from")),
        (
            "a claim",
            vec![with("claims_from", json!({"c": expensive}))],
            over_budget(1, "claims_from"),
        ),
        (
            "a rule that denies a later part",
            vec![when(expensive), with("scope", json!("admin"))],
            over_budget(1, "when"),
        ),
        (
            "two expressions",
            vec![when(expensive), with("claims_from", json!({"c": expensive}))],
            over_budget(1, "when"),
        ),
        ("a rule that grants the request", vec![when(expensive), when("true")], Ok(2)),
        ("a cheap condition", vec![no, when("1 in claims.a")], Ok(2)),
    ];
    for (name, rules, expected) in rows {
        let request = ClientRequest { scope: Some("read"), audiences: &[], lifetime: None };
        let granted = policy(&json!(rules)).grant_to_client(&request, &caller, &DEFAULTS);
        assert_eq!(granted.map(|grant| grant.rule), expected, "{name}");
    }
}

#[test]
fn arn_as_the_subject_of_an_assertion_needs_a_rule_for_arns() {
    let caller = |subject: &str| {
        let mut claims = Map::new();
        claims.insert("sub".into(), subject.into());
        let (issuer, subject) = (GITHUB.into(), subject.into());
        Caller::Assertion(AssertedIdentity { issuer, subject, claims })
    };
    let rule = |member: &str, value: &str| json!({"caller": {"issuer": GITHUB}, member: value});
    let denied = Err(DeniedField::Subject);
    let rows = [
        ("no pattern", json!({"caller": {"issuer": GITHUB}}), denied),
        ("any", rule("subject", "*"), denied),
        ("a pattern that does not start like an ARN", rule("subject", "*:role/orders"), denied),
        ("the subject from a claim", rule("subject_from", "claims.sub"), denied),
        ("another ARN", rule("subject", "arn:aws:iam::1:*"), denied),
        ("the ARN", rule("subject", ROLE), Ok(ROLE)),
        ("a pattern of ARNs", rule("subject", "arn:aws:iam::123456789012:role/*"), Ok(ROLE)),
        (
            "an ARN that the rule makes",
            rule("subject_from", "'arn:x:' + claims.sub"),
            Ok("arn:x:arn:aws:iam::123456789012:role/orders"),
        ),
    ];
    for (name, rule, expected) in rows {
        let request = ClientRequest { scope: None, audiences: &[], lifetime: None };
        let granted = policy(&json!([rule])).grant_to_client(&request, &caller(ROLE), &DEFAULTS);
        let subject = granted.map(|granted| granted.claims["sub"].clone());
        assert_eq!(subject, expected.map(Value::from), "{name}");
    }
}

#[test]
fn client_id_needs_a_rule_that_names_it_if_clients_are_authenticated() {
    let claims = Map::from_iter([("client_id".to_owned(), Value::from("partner-1"))]);
    let rule = |claims: Value| policy(&json!([{"caller": ROLE, "claims": claims}]));
    let rows = [
        ("any claim", json!("*"), false, true),
        ("any claim, with clients", json!("*"), true, false),
        ("a pattern, with clients", json!("client_*"), true, false),
        ("its name, with clients", json!(["a", "client_id"]), true, true),
        ("its value, with clients", json!({"client_id": "partner-1"}), true, true),
        ("another value, with clients", json!({"client_id": "partner-2"}), true, false),
    ];
    for (name, granted, has_clients, expected) in rows {
        let request =
            crate::issuance::IssuanceRequest { claims: &claims, lifetime: None, has_clients };
        let granted = rule(granted).grant(&request, &Caller::Iam(ROLE.into()), &DEFAULTS);
        assert_eq!(granted.is_ok(), expected, "{name}");
    }
}
