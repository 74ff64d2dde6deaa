use serde_json::json;

use super::*;
use crate::{
    ExpressionError,
    issuance::{AssertedIdentity, CallerError, IssuancePolicy, IssuancePolicyError, KnownIssuer},
};

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

fn problem(rules: &Value) -> IssuancePolicyError {
    rules.to_string().parse::<IssuancePolicy>().unwrap_err()
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
fn rule_for_an_issuer_is_for_assertions_that_meet_its_condition() {
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
fn scopes_are_those_asked_for_or_the_literal_ones() {
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
fn subject_is_that_of_the_assertion_or_of_the_expression() {
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
fn claims_are_taken_from_those_of_the_assertion() {
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
fn audience_is_the_default_or_one_of_the_rule() {
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
fn caller_of_iam_is_the_subject_if_the_rule_has_it() {
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

#[test]
fn no_rule_sets_a_claim_of_the_issuer() {
    let issuers = [json!("*"), json!({"issuer": GITHUB})];
    let [iam, github] = issuers;
    let names = ["iss", "iat", "exp", "nbf", "jti", "cnf", "act", "may_act"];
    for name in names {
        let rows = [
            ("claims", json!({"caller": iam, "claims": name})),
            ("claims", json!({"caller": iam, "claims": ["a", name]})),
            ("claims", json!({"caller": iam, "claims": {name: "*"}})),
            ("claims_from", json!({"caller": github, "claims_from": {name: "claims.sub"}})),
        ];
        for (member, rule) in rows {
            let (number, claim, setter) = (2, name, "the issuer");
            let expected = IssuancePolicyError::ReservedClaim { number, member, claim, setter };
            assert_eq!(problem(&json!([{"caller": "*"}, rule])), expected, "{rule}");
        }
        // A pattern that covers the claim does not grant it.
        let policy = policy(&json!([{"caller": "*", "subject": "*", "claims": "*"}]));
        let claims = json!({"sub": "a", name: {"jkt": "x"}});
        let request = crate::issuance::IssuanceRequest {
            claims: claims.as_object().unwrap(),
            lifetime: None,
            has_clients: false,
        };
        let granted = policy.grant(&request, &Caller::Iam(ROLE.into()), &DEFAULTS);
        assert_eq!(granted, Err(DeniedField::Claim), "{name}");
    }
    for (claim, setter) in [
        ("sub", "another member"),
        ("aud", "another member"),
        ("scope", "another member"),
        ("client_id", "the issuer"),
    ] {
        let rule = json!([{"caller": {"issuer": GITHUB}, "claims_from": {claim: "claims.sub"}}]);
        let (number, member) = (1, "claims_from");
        let expected = IssuancePolicyError::ReservedClaim { number, member, claim, setter };
        assert_eq!(problem(&rule), expected);
    }
}

#[test]
fn invalid_rules_for_issuers_are_refused() {
    let caller = json!({"issuer": GITHUB});
    let expression =
        |member, problem| IssuancePolicyError::Expression { number: 1, member, problem };
    let meaningless = |member: &str| format!("rule 1: `{member}` has no meaning here: ");
    let variable = || ExpressionError::Variable("claim".into());
    let rows = [
        (json!({"caller": {"issuer": ""}}), IssuancePolicyError::Caller(1, CallerError::Issuer)),
        (json!({"caller": caller, "subject": []}), IssuancePolicyError::NoSubject(1)),
        (json!({"caller": caller, "max_lifetime": 0}), IssuancePolicyError::Lifetime(1)),
        (
            json!({"caller": {"issuer": GITHUB, "when": "claim.sub == 'a'"}}),
            expression("when", variable()),
        ),
        (
            json!({"caller": caller, "subject_from": "claim.sub"}),
            expression("subject_from", variable()),
        ),
        (
            json!({"caller": caller, "claims_from": {"a": "claim.sub"}}),
            expression("claims_from", variable()),
        ),
        (
            json!({"caller": {"issuer": GITHUB, "when": "claims.a.exists(x, claims.text.matches('[a-z]+-admin'))"}}),
            expression("when", ExpressionError::TooExpensive),
        ),
    ];
    for (rule, expected) in rows {
        assert_eq!(problem(&json!([rule])), expected, "{rule}");
    }
    let rows = [
        (json!({"caller": "*", "subject_from": "claims.sub"}), meaningless("subject_from")),
        (json!({"caller": "*", "claims_from": {"a": "claims.sub"}}), meaningless("claims_from")),
        (json!({"caller": caller, "claims": "a"}), meaningless("claims")),
        (json!({"caller": {"when": "true"}}), "rule 1: ".to_owned()),
        (json!({"caller": {"issuer": GITHUB, "where": "true"}}), "rule 1: ".to_owned()),
        (json!({"caller": [{"issuer": GITHUB}]}), "rule 1: ".to_owned()),
        (json!({"caller": caller, "subject_from": 7}), "rule 1: ".to_owned()),
    ];
    for (rule, expected) in rows {
        let problem = problem(&json!([rule])).to_string();
        assert!(problem.starts_with(&expected), "{rule}: {problem}");
    }
}

/// A rule for the callers of an issuer, with more members.
fn rule_for(issuer: &str, more: Value) -> Value {
    let mut rule = json!({"caller": {"issuer": issuer, "when": "true"}});
    let Value::Object(more) = more else { panic!("members are an object") };
    rule.as_object_mut().unwrap().extend(more);
    rule
}

fn subject_from(text: &str) -> Value {
    json!({"subject_from": text})
}

fn subject(text: &str) -> Value {
    json!({"subject": text})
}

const SAME_SUBJECT: Result<(), IssuancePolicyError> = Err(IssuancePolicyError::SameSubject(1, 2));

type SubjectRow<'a> = (&'a str, Value, Value, Result<(), IssuancePolicyError>);

/// Checks the rules of each row with two issuers, and in rows about clients with two clients.
fn assert_subjects(rows: &[SubjectRow<'_>]) {
    let known = ["a", "b", "client-1", "client-2"].map(|name| KnownIssuer {
        name,
        is_client: name.starts_with("client"),
        has_required_claims: false,
    });
    let mut wrong = Vec::new();
    for (name, one, other, expected) in rows {
        // Clients are a case of their own.
        let has_client = name.contains("client");
        let known: Vec<_> =
            known.iter().filter(|issuer| has_client || !issuer.is_client).copied().collect();
        let checked = policy(&json!([one, other])).check_issuers(&known);
        if checked != *expected {
            wrong.push(format!("{name}: {checked:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rules_of_two_issuers_that_can_give_the_same_subject_are_refused() {
    assert_subjects(&[
        ("two issuers", rule_for("a", json!({})), rule_for("b", json!({})), SAME_SUBJECT),
        ("one issuer", rule_for("a", json!({})), rule_for("a", json!({})), Ok(())),
        ("one pattern", rule_for("a", subject("repo:*")), rule_for("b", json!({})), SAME_SUBJECT),
        ("two patterns", rule_for("a", subject("repo:*")), rule_for("b", subject("job:*")), Ok(())),
        (
            "two patterns that overlap",
            rule_for("a", subject("repo:*")),
            rule_for("b", json!({"subject": ["job:*", "*:main"]})),
            SAME_SUBJECT,
        ),
        (
            "two starts",
            rule_for("a", subject_from("'a:' + claims.sub")),
            rule_for("b", subject_from("'b:' + claims.sub + claims.x")),
            Ok(()),
        ),
        (
            "one start is the start of the other",
            rule_for("a", subject_from("'a' + claims.sub")),
            rule_for("b", subject_from("'a:' + claims.sub")),
            SAME_SUBJECT,
        ),
        (
            "no start",
            rule_for("a", subject_from("claims.sub")),
            rule_for("b", subject_from("'b' + claims.x")),
            SAME_SUBJECT,
        ),
        (
            "a start in a condition",
            rule_for("a", subject_from("claims.x ? 'a:' + claims.sub : claims.sub")),
            rule_for("b", subject_from("'b:' + claims.sub")),
            SAME_SUBJECT,
        ),
        (
            "two constants",
            rule_for("a", subject_from("'a'")),
            rule_for("b", subject_from("'b'")),
            Ok(()),
        ),
        (
            "one constant",
            rule_for("a", subject_from("'a'")),
            rule_for("b", subject_from("'a'")),
            SAME_SUBJECT,
        ),
        (
            "an issuer that is not trusted",
            rule_for("a", json!({})),
            rule_for("unknown", json!({})),
            Err(IssuancePolicyError::UnknownIssuer(2)),
        ),
    ]);
}

#[test]
fn rules_that_can_give_the_name_of_a_client_are_refused() {
    let client =
        |number| Err(IssuancePolicyError::ClientSubject { number, client: "client-1".into() });
    assert_subjects(&[
        ("two clients", rule_for("client-1", json!({})), rule_for("client-2", json!({})), Ok(())),
        (
            "a client and an issuer",
            rule_for("client-1", json!({})),
            rule_for("a", json!({})),
            client(2),
        ),
        (
            "an issuer and a client without a rule",
            rule_for("a", json!({})),
            json!({"caller": "*"}),
            client(1),
        ),
        (
            "an issuer with the name of a client as a pattern",
            rule_for("a", subject("client-2*")),
            rule_for("a", subject("job:*")),
            Err(IssuancePolicyError::ClientSubject { number: 1, client: "client-2".into() }),
        ),
        (
            "a client with another subject, whose name an issuer can give",
            rule_for("client-1", subject_from("'svc:' + claims.sub")),
            rule_for("a", subject("client-*")),
            client(2),
        ),
        (
            "a client and an issuer with a pattern",
            rule_for("client-1", json!({})),
            rule_for("a", subject("repo:*")),
            Ok(()),
        ),
        (
            "a client and an issuer with its name",
            rule_for("client-1", json!({})),
            rule_for("a", subject("client-*")),
            client(2),
        ),
    ]);
}

#[test]
fn rules_that_can_give_the_subject_of_a_rule_for_aws_are_refused() {
    assert_subjects(&[
        (
            "one issuer and IAM",
            rule_for("b", subject("b*")),
            json!({"caller": "*", "subject": "*"}),
            Ok(()),
        ),
        (
            "IAM and an issuer",
            json!({"caller": ROLE, "subject": "orders-*"}),
            rule_for("a", subject("*-1")),
            SAME_SUBJECT,
        ),
        (
            "an issuer and IAM with its start",
            rule_for("a", subject_from("'job:' + claims.sub")),
            json!({"caller": "*", "subject": ["a", "job*"]}),
            SAME_SUBJECT,
        ),
        (
            "IAM and an issuer with another start",
            json!({"caller": ROLE, "subject": "orders-*"}),
            rule_for("a", subject_from("'job:' + claims.sub")),
            Ok(()),
        ),
        (
            "ARNs of IAM and an issuer, which gives no ARNs",
            json!({"caller": ROLE, "subject": ROLE}),
            rule_for("a", subject("*orders")),
            Ok(()),
        ),
        (
            "ARNs of IAM and of an issuer",
            json!({"caller": ROLE, "subject": ROLE}),
            rule_for("a", subject("arn:aws:iam::*:role/orders")),
            SAME_SUBJECT,
        ),
        (
            "ARNs of an issuer, and another issuer",
            rule_for("a", subject("arn:aws:iam::*:role/orders")),
            rule_for("b", subject("*orders")),
            Ok(()),
        ),
        (
            "a pattern of IAM that ARNs match too",
            json!({"caller": ROLE, "subject": "a*"}),
            rule_for("a", subject("arn:aws:iam::*:role/orders")),
            SAME_SUBJECT,
        ),
    ]);
}

#[test]
fn rule_for_everybody_with_an_account_at_an_identity_provider_is_refused() {
    let unrestricted = || Err(IssuancePolicyError::Unrestricted(1));
    let rows = [
        ("no member", "idp", json!({"caller": {"issuer": "idp"}}), unrestricted()),
        ("a scope", "idp", json!({"caller": {"issuer": "idp"}, "scope": "a"}), unrestricted()),
        (
            "any subject",
            "idp",
            json!({"caller": {"issuer": "idp"}, "subject": "*"}),
            unrestricted(),
        ),
        (
            "one of the subjects is any",
            "idp",
            json!({"caller": {"issuer": "idp"}, "subject": ["a", "**"]}),
            unrestricted(),
        ),
        (
            "a pattern for what the rule itself gives",
            "idp",
            json!({"caller": {"issuer": "idp"}, "subject": "a:*", "subject_from": "'a:' + claims.sub"}),
            unrestricted(),
        ),
        ("a subject", "idp", json!({"caller": {"issuer": "idp"}, "subject": "a*"}), Ok(())),
        (
            "a condition",
            "idp",
            json!({"caller": {"issuer": "idp", "when": "claims.a == 1"}}),
            Ok(()),
        ),
        ("everybody is meant", "idp", json!({"caller": {"issuer": "idp", "when": "true"}}), Ok(())),
        (
            "an entry with required claims",
            "tenant",
            json!({"caller": {"issuer": "tenant"}}),
            Ok(()),
        ),
        ("a client", "client", json!({"caller": {"issuer": "client"}}), Ok(())),
    ];
    for (name, issuer, rule, expected) in rows {
        let known = KnownIssuer {
            name: issuer,
            is_client: issuer == "client",
            has_required_claims: issuer == "tenant",
        };
        assert_eq!(policy(&json!([rule])).check_issuers(&[known]), expected, "{name}");
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
fn only_a_rule_that_names_client_id_grants_it_where_clients_prove_theirs() {
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
