mod issuers;

use serde_json::json;

use super::*;
use crate::issuance::{CallerError, IssuancePolicyWarning};

const DEFAULTS: IssuanceDefaults<'static> = IssuanceDefaults {
    audience: Some("own"),
    lifetime: Duration::from_mins(10),
    lifetime_max: Duration::from_hours(1),
};

const ROLE: &str = "arn:aws:iam::123456789012:role/orders";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/orders/i-1";

#[test]
fn request_is_granted_if_one_rule_grants_all_of_it() {
    let policy = json!([
        {
            "caller": ROLE,
            "subject": ["orders-*", "test"],
            "audience": "https://api.example/*",
            "scope": ["orders:*", "read"],
            "claims": ["tenant", "x-*"],
            "max_lifetime": 300,
        },
        {"caller": ROLE, "subject": "admin", "scope": "admin", "claims": {"role": ["a", "b*"]}},
        {"caller": "invoke", "subject": "*", "claims": "*", "audience": "*", "scope": "*"},
        {"caller": "arn:aws:iam::123456789012:user/*"},
    ]);
    let policy: IssuancePolicy = policy.to_string().parse().unwrap();
    let user = "arn:aws:iam::123456789012:user/a";
    let rows = [
        ("a subject", SESSION, json!({"sub": "orders-1"}), None, Ok(300)),
        ("scopes", ROLE, json!({"sub": "test", "scope": "orders:read read"}), Some(300), Ok(300)),
        ("claims", SESSION, json!({"sub": "test", "tenant": 7, "x-a": {}}), Some(1), Ok(1)),
        (
            "an audience",
            SESSION,
            json!({"sub": "test", "aud": "https://api.example/a"}),
            None,
            Ok(300),
        ),
        ("the default audience", SESSION, json!({"sub": "test", "aud": "own"}), None, Ok(300)),
        (
            "the default audience and another",
            SESSION,
            json!({"sub": "test", "aud": ["own", "other"]}),
            None,
            Err(DeniedField::Audience),
        ),
        (
            "a list with another audience",
            SESSION,
            json!({"sub": "test", "aud": ["https://api.example/", "b"]}),
            None,
            Err(DeniedField::Audience),
        ),
        ("no subject", SESSION, json!({}), None, Err(DeniedField::Subject)),
        ("another subject", SESSION, json!({"sub": "other"}), None, Err(DeniedField::Subject)),
        (
            "another scope",
            SESSION,
            json!({"sub": "test", "scope": "orders:read write"}),
            None,
            Err(DeniedField::Scope),
        ),
        ("a scope in a list", SESSION, json!({"sub": "test", "scope": ["read"]}), None, Ok(300)),
        (
            "an object as the scope",
            SESSION,
            json!({"sub": "test", "scope": {"a": 1}}),
            None,
            Err(DeniedField::Scope),
        ),
        (
            "two spaces in the scope",
            SESSION,
            json!({"sub": "test", "scope": "read  read"}),
            None,
            Err(DeniedField::Scope),
        ),
        (
            "a claim of another rule",
            SESSION,
            json!({"sub": "test", "role": "a"}),
            None,
            Err(DeniedField::Claim),
        ),
        (
            "a longer lifetime",
            SESSION,
            json!({"sub": "test"}),
            Some(301),
            Err(DeniedField::Lifetime),
        ),
        (
            "the second rule for the caller",
            SESSION,
            json!({"sub": "admin", "scope": "admin", "role": "bb"}),
            Some(3600),
            Ok(3600),
        ),
        (
            "another value of a claim",
            SESSION,
            json!({"sub": "admin", "role": "c"}),
            None,
            Err(DeniedField::Claim),
        ),
        (
            "a list as the value of a claim",
            SESSION,
            json!({"sub": "admin", "role": ["a"]}),
            None,
            Err(DeniedField::Claim),
        ),
        (
            "an audience under a rule without one",
            SESSION,
            json!({"sub": "admin", "aud": "b"}),
            None,
            Err(DeniedField::Audience),
        ),
        (
            "a direct invocation",
            "invoke",
            json!({"sub": "x", "aud": ["a"], "scope": "a b", "c": null}),
            None,
            Ok(600),
        ),
        ("no claims under a rule without any", user, json!({}), None, Ok(600)),
        (
            "a subject under a rule without one",
            user,
            json!({"sub": "a"}),
            None,
            Err(DeniedField::Subject),
        ),
        (
            "a caller without a rule",
            "arn:aws:iam::999999999999:user/a",
            json!({}),
            None,
            Err(DeniedField::Caller),
        ),
    ];
    for (name, caller, claims, seconds, expected) in rows {
        let caller = match caller {
            "invoke" => Caller::Invoke,
            arn => Caller::Iam(arn.to_owned()),
        };
        let request = IssuanceRequest {
            claims: claims.as_object().unwrap(),
            lifetime: seconds.map(Duration::from_secs),
            has_clients: false,
        };
        let grant = policy.grant(&request, &caller, &DEFAULTS);
        assert_eq!(grant.map(|granted| granted.lifetime.as_secs()), expected, "{name}");
    }
    // Without a default audience, the request must have one that the rule grants.
    let defaults = IssuanceDefaults { audience: None, ..DEFAULTS };
    let caller = Caller::Iam(ROLE.into());
    for (name, claims, expected) in [
        ("no audience", json!({"sub": "test"}), Err(DeniedField::Audience)),
        (
            "an empty list as the audience",
            json!({"sub": "test", "aud": []}),
            Err(DeniedField::Audience),
        ),
        ("an audience", json!({"sub": "test", "aud": "https://api.example/"}), Ok(300)),
        ("no subject", json!({"aud": "https://api.example/"}), Err(DeniedField::Subject)),
    ] {
        let claims = claims.as_object().unwrap();
        let request = IssuanceRequest { claims, lifetime: None, has_clients: false };
        let grant = policy.grant(&request, &caller, &defaults);
        assert_eq!(grant.map(|granted| granted.lifetime.as_secs()), expected, "{name}");
    }
    let empty: IssuancePolicy = "[]".parse().unwrap();
    let claims = Map::new();
    let request = IssuanceRequest { claims: &claims, lifetime: None, has_clients: false };
    assert_eq!(empty.grant(&request, &Caller::Invoke, &defaults), Err(DeniedField::Caller));
}

#[test]
fn invalid_policies_are_rejected() {
    let rows = [
        ("the longest lifetime", json!([{"caller": "*", "max_lifetime": 3600}]), Ok(())),
        (
            "no caller in a list",
            json!([{"caller": []}]),
            Err(IssuancePolicyError::Caller(1, CallerError::Form)),
        ),
        (
            "a name as the caller",
            json!([{"caller": "invoke"}, {"caller": "ann"}]),
            Err(IssuancePolicyError::Caller(2, CallerError::Form)),
        ),
        (
            "part of an ARN",
            json!([{"caller": "arn:*"}]),
            Err(IssuancePolicyError::Caller(1, CallerError::Form)),
        ),
        (
            "no lifetime",
            json!([{"caller": "*", "max_lifetime": 0}]),
            Err(IssuancePolicyError::Lifetime {
                number: 1,
                member: "max_lifetime",
                max: "TOKEN_LIFETIME_MAX_SECONDS",
            }),
        ),
        (
            "a lifetime longer than the maximum",
            json!([{"caller": "*", "max_lifetime": 3601}]),
            Err(IssuancePolicyError::Lifetime {
                number: 1,
                member: "max_lifetime",
                max: "TOKEN_LIFETIME_MAX_SECONDS",
            }),
        ),
        ("a wildcard in the name of a role", json!([{"caller": format!("{ROLE}-*")}]), Ok(())),
        (
            "a wildcard below the path of a role",
            json!([{"caller": "arn:aws:iam::1:role/service/*"}]),
            Err(IssuancePolicyError::Caller(1, CallerError::RolePath)),
        ),
    ];
    for (name, policy, expected) in rows {
        let parsed = policy.to_string().parse::<IssuancePolicy>();
        let checked = parsed.and_then(|policy| policy.check_lifetimes(Duration::from_hours(1)));
        assert_eq!(checked, expected, "{name}");
    }
    let rows = [
        ("empty text", "", "is not a JSON list of rules: "),
        ("an object", "{}", "is not a JSON list of rules: "),
        ("a list as a rule", r#"[["*"]]"#, "is not a JSON list of rules: "),
        (
            "a repeated claim",
            r#"[{"caller":"*","claims":{"a":"b","a":"c"}}]"#,
            "is not a JSON list of rules: ",
        ),
        ("no caller", r#"[{"subject":"a"}]"#, "rule 1: missing field `caller`"),
        (
            "an unknown member",
            r#"[{"caller":"*"},{"caller":"*","scopes":"a"}]"#,
            "rule 2: unknown field `scopes`, expected one of ",
        ),
        (
            "a number as the subject",
            r#"[{"caller":"*","subject":1}]"#,
            "rule 1: expected a string or a list of strings",
        ),
        (
            "a number as the claims",
            r#"[{"caller":"*","claims":1}]"#,
            "rule 1: expected the names of claims, or an object with the values of each claim",
        ),
    ];
    for (name, text, expected) in rows {
        let message = text.parse::<IssuancePolicy>().unwrap_err().to_string();
        assert!(message.starts_with(expected), "{name}: {message}");
    }
}

#[test]
fn audience_in_full_that_is_not_accepted_has_the_number_of_its_rule() {
    let policy = json!([
        {"caller": "*", "audience": ["a", "b*", "c", "accepted"]},
        {"caller": "invoke"},
        {"caller": {"issuer": "partner-1"}, "audience": "d"},
        {"caller": "*", "audience": "accepted"},
    ]);
    let policy: IssuancePolicy = policy.to_string().parse().unwrap();
    let warning = |number, audiences: &[&str]| {
        let audiences = audiences.iter().map(ToString::to_string).collect();
        IssuancePolicyWarning::UnacceptedAudiences { number, audiences }
    };
    let warnings = policy.audience_warnings(&["accepted".into()]);
    assert_eq!(warnings, [warning(1, &["a", "c"]), warning(3, &["d"])]);
    assert_eq!(warnings.iter().map(IssuancePolicyWarning::rule).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn first_rule_of_aws_callers_with_any_subject_is_named() {
    let policy = json!([
        {"caller": "*", "subject": "a*"},
        {"caller": {"issuer": "partner-1"}, "subject": "*"},
        {"caller": "*", "subject": ["b", "*"]},
        {"caller": "invoke", "subject": "*"},
    ]);
    let policy: IssuancePolicy = policy.to_string().parse().unwrap();
    assert_eq!(policy.issuer_warnings(), [IssuancePolicyWarning::AnySubject(3)]);
    let policy: IssuancePolicy = r#"[{"caller": "*"}]"#.parse().unwrap();
    assert_eq!(policy.issuer_warnings(), []);
}
