//! Which rules an IAM policy can express.

use super::*;
use crate::access::DenyConflict;

#[test]
fn rules_that_iam_cannot_express_are_rejected() {
    let below = |one: &str, other: &str| Err(RulesError::Below(one.to_owned(), other.to_owned()));
    let within = |[wider, closed, open]: [&str; 3]| {
        Err(RulesError::Within(DenyConflict {
            wider: wider.to_owned(),
            closed: closed.to_owned(),
            open: open.to_owned(),
            is_overmatch: wider == open,
        }))
    };
    let ambiguous =
        |one: &str, other: &str| Err(RulesError::Ambiguous(one.to_owned(), other.to_owned()));
    let rows: [(&str, &[&str], _); 17] = [
        ("no shared paths", &["GET /orders", "POST /orders", "GET /orders/{id}"], Ok(())),
        ("a narrower rule", &["GET /*", "* /admin/*"], Ok(())),
        ("a narrower rule below", &["GET /orders/*", "GET /orders/*/items"], Ok(())),
        ("two methods", &["GET /orders/{id}", "POST /orders/{id}/items"], Ok(())),
        ("one method and all methods", &["* /orders/*", "GET /orders/*"], Ok(())),
        ("overlap without covering", &["GET /orders/*", "GET /*/items"], Ok(())),
        ("parameters without overlap", &["GET /{a}/x", "GET /b/y"], Ok(())),
        ("a route key", &["$connect", "GET /*"], Ok(())),
        (
            "a parameter and a path below it",
            &["GET /orders/{id}", "GET /orders/{id}/items"],
            below("GET /orders/{id}", "GET /orders/{id}/items"),
        ),
        (
            "a parameter below a wider rule",
            &["GET /orders/*", "GET /orders/{id}"],
            within(["GET /orders/*", "GET /orders/{id}", "GET /orders/*"]),
        ),
        (
            "a narrower rule in a narrower rule",
            &["GET /*", "GET /admin/*", "GET /admin/health"],
            within(["GET /*", "GET /admin/*", "GET /admin/health"]),
        ),
        ("two narrower rules", &["GET /*", "GET /a/*", "GET /b/*"], Ok(())),
        (
            "two overlapping rules in a wider rule",
            &["GET /*", "GET /a/*", "GET /*/b"],
            within(["GET /*", "GET /*/b", "GET /a/*"]),
        ),
        ("equally specific", &["GET /*/a/*", "GET /*/b/*"], ambiguous("GET /*/a/*", "GET /*/b/*")),
        (
            "a rule that decides on no path",
            &["GET /*/*/a", "GET /*/a"],
            ambiguous("GET /*/a", "GET /*/*/a"),
        ),
        ("equally specific, two methods", &["GET /*/a/*", "POST /*/b/*"], Ok(())),
        ("a parameter each", &["GET /{a}", "GET /a/{b}"], below("GET /{a}", "GET /a/{b}")),
    ];
    for (name, routes, expected) in rows {
        assert_eq!(scoped(routes).map(|_| ()), expected, "{name}");
    }
    let below_any = json!([
        {"route": "GET /*", "any": true},
        {"route": "GET /a/{id}", "scope": "a"},
        {"route": "GET /a/b/c", "scope": "b"}
    ]);
    let messages = [
        (
            scoped(&["GET /orders/{id}", "GET /orders/{id}/items"]),
            "the wildcard for `{name}` in `GET /orders/{id}` also matches `/`, so a policy that allows \
             `GET /orders/{id}` and `GET /orders/{id}/items` allows every other path below \
             `GET /orders/{id}` too. Write `*` in place of each `{name}` in both routes, which opens all of \
             these paths",
        ),
        (
            scoped(&["GET /*", "GET /orders/{id}"]),
            "if `GET /*` is open and `GET /orders/{id}` is closed, its Deny also closes other paths of \
             `GET /*`, because its wildcard for `{name}` also matches `/`. Write `*` in place of each `{name}` \
             in `GET /orders/{id}`, or give both rules the same condition",
        ),
        (
            scoped(&["GET /*", "GET /admin/*", "GET /admin/health"]),
            "if `GET /*` and `GET /admin/health` are open and `GET /admin/*` is closed, its Deny also closes \
             `GET /admin/health`. Give `GET /admin/*` the same condition as one of the other two, or `any`, \
             or remove one of the rules",
        ),
        (
            read(&below_any),
            "if `GET /*` and `GET /a/b/c` are open and `GET /a/{id}` is closed, its Deny also closes \
             `GET /a/b/c`, because its wildcard for `{name}` also matches `/`. Give `GET /a/{id}` the same \
             condition as `GET /*`, or write `*` in place of each `{name}` in it",
        ),
    ];
    for (rules, expected) in messages {
        let message = rules.unwrap_err().to_string();
        let problem = message.strip_prefix("has rules that no IAM policy can express: ");
        assert_eq!(problem, Some(expected));
    }
}

#[test]
fn rules_with_the_same_condition_need_no_deny() {
    let rule = |route: &str, scope: &str| match scope {
        "" => json!({"route": route, "any": true}),
        _ if scope.contains('.') => json!({"route": route, "when": scope}),
        _ => json!({"route": route, "scope": scope}),
    };
    let health = "GET /admin/health";
    let rows = [
        ("no rule between", vec![rule("GET /*", ""), rule(health, "")], true),
        (
            "another condition between",
            vec![rule("GET /*", ""), rule("GET /admin/*", "a"), rule(health, "")],
            false,
        ),
        (
            "the scope of the wider rule between",
            vec![rule("GET /*", "a"), rule("GET /admin/*", "a"), rule(health, "")],
            true,
        ),
        (
            "the scope of the narrower rule between",
            vec![rule("GET /*", ""), rule("GET /admin/*", "a"), rule(health, "a")],
            true,
        ),
        (
            "the expression of the wider rule between",
            vec![rule("GET /*", "claims.a"), rule("GET /admin/*", "claims.a"), rule(health, "")],
            true,
        ),
        (
            "another expression between",
            vec![rule("GET /*", "claims.a"), rule("GET /admin/*", "claims.b"), rule(health, "")],
            false,
        ),
        (
            "a scope with the text of the expression between",
            vec![rule("GET /*", "claims.a"), rule("GET /admin/*", "a"), rule(health, "")],
            false,
        ),
        (
            "a parameter below a rule for any token",
            vec![rule("GET /a/{id}", ""), rule("GET /a/*", "")],
            true,
        ),
    ];
    for (name, rules, expected) in rows {
        assert_eq!(read(&rules.into()).is_ok(), expected, "{name}");
    }
}
