//! Rules for trusted issuers: which are refused at the start, by themselves and compared with others.

use serde_json::{Value, json};

use super::{DEFAULTS, ROLE};
use crate::{
    ExpressionError,
    issuance::{
        Caller, CallerError, DeniedField, IssuancePolicy, IssuancePolicyError, IssuanceRequest,
        KnownIssuer,
    },
};

const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn policy(rules: &Value) -> IssuancePolicy {
    rules.to_string().parse().unwrap()
}

fn problem(rules: &Value) -> IssuancePolicyError {
    rules.to_string().parse::<IssuancePolicy>().unwrap_err()
}

#[test]
fn rule_that_sets_a_claim_of_the_issuer_is_refused() {
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
        let request = IssuanceRequest {
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
        (
            json!({"caller": caller, "max_lifetime": 0}),
            IssuancePolicyError::Lifetime {
                number: 1,
                member: "max_lifetime",
                max: "TOKEN_LIFETIME_MAX_SECONDS",
            },
        ),
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

#[test]
fn scope_or_audience_that_no_token_can_have_is_refused() {
    let audience = "an audience has no white space, ";
    let scope = "a scope has printable ASCII characters without space, ";
    let rows = [
        ("scope", json!("orders:read orders:write"), Some(scope)),
        ("scope", json!(["a", "b c"]), Some(scope)),
        ("scope", json!(["a", ""]), Some(scope)),
        ("scope", json!("a\"b"), Some(scope)),
        ("scope", json!("a\\b"), Some(scope)),
        ("scope", json!("ä*"), Some(scope)),
        ("scope", json!("orders:* "), Some(scope)),
        ("scope", json!(["orders:*", "*", "https://api.example/a!#[]~"]), None),
        ("scope", json!([]), None),
        ("audience", json!("https://api.example "), Some(audience)),
        ("audience", json!(["a", "b c"]), Some(audience)),
        ("audience", json!("a\tb"), Some(audience)),
        ("audience", json!("a\u{202e}b"), Some(audience)),
        ("audience", json!(""), Some(audience)),
        ("audience", json!(["https://ä.example/*", "*"]), None),
    ];
    for (member, value, expected) in rows {
        for caller in [json!("*"), json!({"issuer": GITHUB})] {
            let rules = json!([{"caller": "*"}, {"caller": caller, member: value}]);
            let problem = rules.to_string().parse::<IssuancePolicy>().err();
            let problem = problem.map(|problem| problem.to_string());
            match (&problem, expected) {
                (None, None) => {}
                (Some(problem), Some(reason)) => {
                    let start = format!("rule 2: `{member}` must not have the value \"");
                    assert!(problem.starts_with(&start) && problem.contains(reason), "{problem}");
                }
                _ => panic!("{rules}: {problem:?}"),
            }
        }
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

#[test]
fn first_problem_of_each_rule_is_reported() {
    let known = ["a", "client"].map(|name| KnownIssuer {
        name,
        is_client: name == "client",
        has_required_claims: false,
    });
    let rules = policy(&json!([
        {"caller": {"issuer": "other"}},
        {"caller": "*", "subject": "ci"},
        rule_for("a", subject("ci")),
        {"caller": {"issuer": "a"}},
        rule_for("a", subject("client")),
        rule_for("a", subject("own")),
    ]));
    let expected = vec![
        (1, IssuancePolicyError::UnknownIssuer(1)),
        (3, IssuancePolicyError::SameSubject(2, 3)),
        (4, IssuancePolicyError::Unrestricted(4)),
        (5, IssuancePolicyError::ClientSubject { number: 5, client: "client".into() }),
    ];
    assert_eq!(rules.issuer_problems(&known), expected);
    assert_eq!(rules.check_issuers(&known), Err(IssuancePolicyError::UnknownIssuer(1)));

    // The subjects of a rule with another problem are still compared.
    let rules = policy(
        &json!([{"caller": {"issuer": "a"}, "subject_from": "'ci'"}, {"caller": "*", "subject": "ci"}]),
    );
    let expected = vec![
        (1, IssuancePolicyError::Unrestricted(1)),
        (2, IssuancePolicyError::SameSubject(1, 2)),
    ];
    assert_eq!(rules.issuer_problems(&known), expected);
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
        // Only rows about clients have clients.
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
fn rule_that_admits_every_caller_of_an_issuer_is_refused() {
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
        ("explicitly all", "idp", json!({"caller": {"issuer": "idp", "when": "true"}}), Ok(())),
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
