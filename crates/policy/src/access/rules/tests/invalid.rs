//! Rules that are refused, each with its problem.

use super::*;
use crate::{
    access::{ConditionError, RouteError},
    cel::ExpressionError,
};

#[test]
fn invalid_rules_are_rejected() {
    let route = |number, problem| Err(RulesError::Route { number, problem });
    let condition = |number, problem| Err(RulesError::Condition { number, problem });
    let twice = |one: &str, other: &str| Err(RulesError::Twice(one.into(), other.into()));
    let rows = [
        ("an empty list", json!([]), Err(RulesError::Empty)),
        (
            "a bad route",
            json!([{"route": "GET /a", "any": true}, {"route": "GET a", "any": true}]),
            route(2, RouteError::Path),
        ),
        ("no condition", json!([{"route": "GET /a"}]), condition(1, ConditionError::Several)),
        (
            "two conditions",
            json!([{"route": "GET /a", "any": true, "scope": "a"}]),
            condition(1, ConditionError::Several),
        ),
        (
            "any that is false",
            json!([{"route": "GET /a", "any": false}]),
            condition(1, ConditionError::Any),
        ),
        (
            "a scope with a space",
            json!([{"route": "GET /a", "scope": "a b"}]),
            condition(1, ConditionError::Scope),
        ),
        (
            "an empty scope",
            json!([{"route": "GET /a", "scope": ""}]),
            condition(1, ConditionError::Scope),
        ),
        (
            "an unknown variable",
            json!([{"route": "GET /a", "when": "claim.sub == 'a'"}]),
            condition(1, ExpressionError::Variable("claim".into()).into()),
        ),
        (
            "two rules for one route",
            json!([{"route": "GET /{a}", "any": true}, {"route": "GET /{b}", "scope": "a"}]),
            twice("GET /{a}", "GET /{b}"),
        ),
        (
            "two rules for one route key",
            json!([{"route": "$connect", "any": true}, {"route": "$connect", "scope": "a"}]),
            twice("$connect", "$connect"),
        ),
    ];
    for (name, rules, expected) in rows {
        assert_eq!(read(&rules).map(|_| ()), expected, "{name}");
    }
    let rows = [
        ("not JSON", "GET /a", "is not a JSON list of rules: "),
        ("not a list", r#"{"route": "GET /a", "any": true}"#, "is not a JSON list of rules: "),
        (
            "a repeated member",
            r#"[{"route": "GET /a", "scope": "a", "scope": "b"}]"#,
            "is not a JSON list of rules: ",
        ),
        ("a list as a rule", r#"[["GET /a", null, null, true]]"#, "is not a JSON list of rules: "),
        (
            "an unknown member",
            r#"[{"route": "GET /a", "scopes": "a"}]"#,
            "rule 1: unknown field `scopes`, expected one of ",
        ),
        ("no route", r#"[{"any": true}]"#, "rule 1: missing field `route`"),
        (
            "not CEL",
            r#"[{"route": "GET /a", "when": "claims.sub =="}]"#,
            "rule 1: invalid `when`: the expression is not CEL: ",
        ),
    ];
    for (name, text, expected) in rows {
        let message = text.parse::<AccessRules>().unwrap_err().to_string();
        assert!(message.starts_with(expected), "{name}: {message}");
    }
}
