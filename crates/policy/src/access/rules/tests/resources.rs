//! The resources of the IAM policy, and the length that limits them.

use super::*;

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
