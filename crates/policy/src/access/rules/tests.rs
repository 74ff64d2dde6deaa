mod expressible;
mod invalid;
mod resources;

use super::*;
use serde_json::json;

fn read(rules: &serde_json::Value) -> Result<AccessRules, RulesError> {
    rules.to_string().parse()
}

/// Rules for these routes, each with a different scope.
fn scoped(routes: &[&str]) -> Result<AccessRules, RulesError> {
    let rule = |(index, route)| json!({"route": route, "scope": format!("s{index}")});
    read(&routes.iter().enumerate().map(rule).collect())
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
