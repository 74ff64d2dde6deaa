use super::*;
use crate::access::{ConditionError, DenyConflict, RouteError};
use crate::cel::ExpressionError;
use serde_json::json;

fn read(rules: &serde_json::Value) -> Result<AccessRules, RulesError> {
    rules.to_string().parse()
}

/// Rules for these routes, each with a scope of its own.
fn scoped(routes: &[&str]) -> Result<AccessRules, RulesError> {
    let rule = |(index, route)| json!({"route": route, "scope": format!("s{index}")});
    read(&routes.iter().enumerate().map(rule).collect())
}

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

/// Rules for these routes, of which the first `open` are open.
fn opened(routes: &[&str], open: usize) -> (AccessRules, Access) {
    let access = (0..routes.len()).map(|index| Some(index < open)).collect();
    (scoped(routes).unwrap(), Access { open: access, is_over_budget: false })
}

#[test]
fn permit_all_needs_the_same_verdict_for_all_requests() {
    let rows: [(_, &[&str], _, _, _); 16] = [
        ("all paths", &["* /*"], 1, "$default", Some(true)),
        ("all paths, and a closed route key", &["* /*", "$default"], 1, "$default", None),
        ("all paths and the route key", &["* /*", "$default"], 2, "$default", Some(true)),
        ("all paths of one method, for $default", &["GET /*"], 1, "$default", None),
        ("all paths of one method, for this method", &["GET /*"], 1, "GET /{proxy+}", Some(true)),
        ("all paths of one method, for any method", &["GET /*"], 1, "ANY /{proxy+}", None),
        ("no open rule", &["GET /*"], 0, "$default", Some(false)),
        ("a route below an open rule", &["GET /a/*"], 1, "GET /a/{id}", Some(true)),
        ("a route without a rule", &["GET /a/*"], 1, "GET /b", Some(false)),
        ("a route wider than the rule", &["GET /a/*"], 1, "GET /{x}/{y}", None),
        ("a closed path of the route", &["GET /a/*", "GET /a/b"], 1, "GET /a/{id}", None),
        ("a closed path of another route", &["GET /a/*", "GET /a/b"], 1, "GET /a/c", Some(true)),
        ("a route key that no rule can have", &["* /*"], 1, "GET /{t}/o:x/{proxy+}", Some(true)),
        ("an unknown method", &["* /*"], 1, "PROPFIND /a", Some(false)),
        ("a closed trailing slash", &["GET /*", "GET /a"], 1, "GET /a/", None),
        (
            "a closed trailing slash among other paths",
            &["GET /*", "GET /a"],
            1,
            "GET /a/{x+}",
            None,
        ),
    ];
    for (name, routes, open, key, expected) in rows {
        let (rules, access) = opened(routes, open);
        assert_eq!(rules.permit_all(&access, key), expected, "{name}: {key}");
    }
}

#[test]
fn other_spellings_of_closed_paths_are_denied() {
    let admin = ["GET/admin", "GET/admin/", "GET//admin"];
    let (items, below) = ("GET /orders/*/items", ["GET/admin/*", "GET//admin/*"]);
    let rows: [(_, &[&str], _, _, &[&str], bool); 12] = [
        (
            "closed by a rule that has it in its normal form",
            &["GET /*", "GET /A/x", "GET /a/*"],
            2,
            "/a/x",
            &["GET/a/*", "GET//a/*"],
            false,
        ),
        (
            "lower case of a closed path",
            &["GET /*", "GET /A/*"],
            1,
            "a/x",
            &["GET/A/*", "GET//A/*", "GET/a/*"],
            false,
        ),
        (
            "no Deny that would match open paths below a parameter",
            &["GET /a/*", "GET /A/{x}"],
            1,
            "a/a/x",
            &[],
            true,
        ),
        (
            "no Deny for a spelling that another rule opens",
            &["GET /*", "GET /a/*", "GET /A/*"],
            2,
            "a/x",
            &["GET/A/*", "GET//A/*"],
            true,
        ),
        ("trailing slash", &["GET /*", "GET /admin"], 1, "admin/", &admin, false),
        ("two trailing slashes", &["GET /*", "GET /admin"], 1, "admin//", &admin, false),
        ("slash below a wildcard", &["GET /*", "GET /admin/*"], 1, "admin/", &below, false),
        (
            "trailing slash after a wildcard",
            &["GET /orders/*", items],
            1,
            "orders/7/items/",
            &["GET/orders/*/items", "GET/orders/*/items/"],
            false,
        ),
        (
            "path below a closed path",
            &["GET /orders/*", items],
            1,
            "orders/7/items/8",
            &["GET/orders/*/items", "GET/orders/*/items/"],
            true,
        ),
        (
            "trailing slash of a closed path that an open rule matches",
            &["GET /orders/*", "GET /orders"],
            1,
            "orders/",
            &["GET/orders/"],
            false,
        ),
        (
            "trailing slash of an open path",
            &["GET /orders/*", "GET /orders"],
            2,
            "orders/",
            &[],
            true,
        ),
        ("trailing slash without a rule", &["GET /a", "GET /b"], 1, "a/", &[], false),
    ];
    for (name, routes, open, path, denied, expected) in rows {
        let (rules, access) = opened(routes, open);
        let (_, mut deny) = rules.resources(&access);
        deny.retain(|resource| !DOT_SEGMENTS.contains(&&**resource));
        assert_eq!(deny, denied, "{name}");
        let route = Route::Http { method: "GET".into(), path: path.into() };
        let is_open = rules.forbid_reason(&access, &route).is_none();
        assert_eq!(is_open, expected, "{name}: {path}");
    }
    // The Deny for the path with a slash would also match open paths.
    for routes in [&["GET /*/*", "GET /{a}", "GET /a"][..], &["GET /a/*/*", "GET /a/{b}"]] {
        let rules = scoped(routes);
        assert!(matches!(rules, Err(RulesError::Within(_))), "{routes:?}: {rules:?}");
    }
}

#[test]
fn rule_that_leaves_its_parent_open_gives_a_warning() {
    let rows: [(&[&str], &[&str]); 7] = [
        (
            &["GET /*", "* /admin/*"],
            &[
                "* /admin/* does not match * /admin itself: the rule GET /* decides on that path, so add a rule for * /admin",
            ],
        ),
        (
            &["* /*", "* /admin/{path+}"],
            &[
                "* /admin/{path+} does not match * /admin itself: the rule * /* decides on that path, so add a rule for * /admin",
            ],
        ),
        (&["GET /*", "* /admin/*", "* /admin"], &[]),
        (&["GET /*", "* /admin/*", "GET /admin"], &[]),
        (&["GET /orders/*", "GET /orders/*/items"], &[]),
        (&["POST /*", "GET /admin/*"], &[]),
        (&["GET /*"], &[]),
    ];
    for (routes, expected) in rows {
        let warnings = scoped(routes).unwrap().warnings();
        let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected, "{routes:?}");
    }
    let open = json!([{"route": "GET /*", "scope": "a"}, {"route": "GET /admin/*", "any": true}]);
    assert_eq!(read(&open).unwrap().warnings(), [], "the narrower rule closes nothing");
    let same = json!([{"route": "GET /*", "scope": "a"}, {"route": "GET /admin/*", "scope": "a"}]);
    assert_eq!(read(&same).unwrap().warnings(), [], "both rules have one condition");
}

#[test]
fn rules_too_long_for_a_policy_are_rejected() {
    let read = |count: usize, padding: usize| {
        let mut routes: Vec<_> = (0..count).map(|index| format!("GET /a{index}")).collect();
        if let Some(last) = routes.last_mut() {
            last.push_str(&"x".repeat(padding));
        }
        scoped(&routes.iter().map(|route| &**route).collect::<Vec<_>>()).map(|_| ())
    };
    assert_eq!(read(69, 22), Ok(()));
    assert_eq!(read(69, 23), Err(RulesError::TooLong(7169)));
    assert_eq!(read(128, 0), Err(RulesError::TooLong(13_074)));
    assert_eq!(read(129, 0), Err(RulesError::TooLong(83_979)));
    // Without room for other spellings, the policy does not deny them.
    let closed_below_open = |count: usize| {
        let routes = (0..count).map(|index| format!("GET /a{index}"));
        let routes: Vec<_> = routes.chain(["GET /*".to_owned()]).collect();
        let rules = scoped(&routes.iter().map(|route| &**route).collect::<Vec<_>>());
        let rules = rules.map(|rules| (rules.warnings(), rules));
        rules.map(|(warnings, rules)| {
            let open = (0..=count).map(|index| Some(index == count)).collect();
            let access = Access { open, is_over_budget: false };
            let (_, deny) = rules.resources(&access);
            (warnings.contains(&Warning::NoRoomForSpellings), deny.len())
        })
    };
    assert_eq!(closed_below_open(20), Ok((false, 3 * 20 + DOT_SEGMENTS.len())));
    assert_eq!(closed_below_open(21), Ok((true, 2 * 21)));
    assert_eq!(closed_below_open(34), Ok((true, 2 * 34)));
    assert!(matches!(closed_below_open(35), Err(RulesError::TooLong(_))));
    // The closed rule needs three resources: its path, with a slash at the end, and with a second at the start.
    let (rules, _) = opened(&["GET /*", "GET /a"], 0);
    let (_, gets) = rules.by_method.iter().find(|(method, _)| *method == "GET").unwrap();
    assert_eq!(gets.max_bytes(10, true), 15 + 15 + 16 + 16);
    assert_eq!(gets.max_bytes(10, false), 15 + 15 + 16);
}
