use std::str::FromStr;

use jwt::Claims;

use super::{
    Access, ForbidReason, LazyAccess, OpenRules, Route, RulesError, Warning,
    method_rules::{MethodRules, Verdict},
    path::PathPattern,
    route::{METHODS, RoutePattern},
    rule::Rule,
};

/// Access rules: the setting `ACCESS_RULES`, a JSON list of rules.
///
/// The most specific rule for a route decides on it. A route that no rule matches is closed. An IAM policy can express
/// all these rules at once: parsing refuses rules for which this is not so.
#[derive(Debug)]
pub struct AccessRules {
    /// In the order of the list. Other parts of the module name a rule by its index here.
    rules: Vec<Rule>,
    /// One entry for each of [`METHODS`].
    by_method: Vec<(&'static str, MethodRules)>,
    /// Whether a policy has room to deny other spellings of closed paths.
    has_room_for_spellings: bool,
}

/// A rule with its result for a token and a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained<'a> {
    /// The route as the rules have it.
    pub route: &'a str,
    /// The condition as text: `scope orders:read`.
    pub condition: String,
    /// Whether the token meets the condition.
    pub open: bool,
    /// Whether this rule decides on the route.
    pub decides: bool,
}

impl FromStr for AccessRules {
    type Err = RulesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let objects = jwt::json::objects(text.as_bytes());
        let objects = objects.map_err(|error| RulesError::form(&error))?.into_iter();
        let rules = objects.enumerate().map(|(index, members)| Rule::read(index + 1, members));
        let rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        if rules.is_empty() {
            return Err(RulesError::Empty);
        }
        for (index, rule) in rules.iter().enumerate() {
            if let Some(same) = rules.iter().skip(index + 1).find(|it| it.route == rule.route) {
                return Err(RulesError::Twice(rule.text.clone(), same.text.clone()));
            }
        }
        // Before the work that grows with the square of the number of rules.
        if rules.len() > MAX_RULES {
            return Err(RulesError::TooLong(rules.len() * METHODS.len() * RESOURCE_OVERHEAD));
        }
        let by_method = METHODS.map(|method| Ok((method, MethodRules::new(method, &rules)?)));
        let by_method = by_method.into_iter().collect::<Result<Vec<_>, _>>()?;
        let max_bytes = |other_spellings| -> usize {
            let by_method = by_method.iter();
            let resources =
                by_method.map(|(_, rules)| rules.max_bytes(RESOURCE_OVERHEAD, other_spellings));
            resources.sum::<usize>() + POLICY_OVERHEAD
        };
        if max_bytes(false) > MAX_POLICY_BYTES {
            return Err(RulesError::TooLong(max_bytes(false)));
        }
        let has_room_for_spellings = max_bytes(true) + DOT_SEGMENTS_BYTES <= MAX_POLICY_BYTES;
        Ok(Self { rules, by_method, has_room_for_spellings })
    }
}

impl AccessRules {
    /// Which rules are open to the token with these claims. Each rule is evaluated at first use.
    #[must_use]
    pub fn access<'a>(&'a self, claims: &'a Claims) -> LazyAccess<'a> {
        LazyAccess::new(&self.rules, claims)
    }

    /// Why the route is closed to the token. `None`: it is open.
    #[must_use]
    pub fn forbid_reason(&self, access: &impl OpenRules, route: &Route) -> Option<ForbidReason> {
        match self.decide(access, route) {
            Verdict::Open(_) => None,
            Verdict::Closed(_) => Some(ForbidReason::ClosedRoute),
            Verdict::ClosedSpelling(_) => Some(ForbidReason::ClosedSpelling),
            Verdict::AmbiguousPath => Some(ForbidReason::AmbiguousPath),
        }
    }

    /// What an operator should check before these rules are deployed.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let text = |rule: usize| self.rules.get(rule).map(|rule| rule.text.clone());
        let no_room = (!self.has_room_for_spellings).then_some(Warning::NoRoomForSpellings);
        let mut warnings: Vec<Warning> = no_room.into_iter().collect();
        for (rule, decided_by) in
            self.by_method.iter().flat_map(|(_, rules)| rules.open_parents(&self.rules))
        {
            let pair = text(rule).zip(text(decided_by));
            let warning = pair.map(|(rule, decided_by)| Warning::OpenParent { rule, decided_by });
            warnings.extend(warning.filter(|warning| !warnings.contains(warning)));
        }
        warnings
    }

    /// Whether the token opens all requests for this route key (`GET /orders/{id}`, `ANY /{proxy+}`, `$default`), or
    /// none of them. `None`: it opens some.
    #[must_use]
    pub fn permit_all(&self, access: &impl OpenRules, key: &str) -> Option<bool> {
        let (method, path) = match key.split_once(' ') {
            Some((method, path)) => (method, PathPattern::from_route_key(path)),
            None => ("ANY", PathPattern::all_paths()),
        };
        if method != "ANY" && !METHODS.contains(&method) {
            return Some(false);
        }
        let by_method = self.by_method.iter().filter(|(own, _)| method == "ANY" || *own == method);
        let verdicts = by_method.map(|(_, rules)| rules.permit_all(access, &path));
        let keys = self.rules.iter().enumerate().filter(|(_, rule)| rule.has_route_key());
        let keys = keys.filter(|_| key == "$default");
        let mut verdicts = verdicts.chain(keys.map(|(index, _)| Some(access.is_open(index))));
        let first = verdicts.next().flatten()?;
        verdicts.all(|verdict| verdict == Some(first)).then_some(first)
    }

    /// The resources that a policy for an API with methods and paths allows and denies, such as `GET/orders/*`.
    pub(crate) fn resources(&self, access: &impl OpenRules) -> (Vec<String>, Vec<String>) {
        let (mut allow, mut deny) = (Vec::new(), Vec::new());
        for (_, rules) in &self.by_method {
            rules.add_resources(access, self.has_room_for_spellings, &mut allow, &mut deny);
        }
        if self.has_room_for_spellings && allow.iter().any(|resource| resource.contains('*')) {
            deny.extend(DOT_SEGMENTS.map(str::to_owned));
        }
        (allow, deny)
    }

    /// The named routes that are open: `$connect`, `$default`.
    pub(crate) fn open_keys(&self, access: &impl OpenRules) -> Vec<String> {
        let rules = self.rules.iter().enumerate();
        let open = rules.filter(|(index, rule)| access.is_open(*index) && rule.has_route_key());
        open.map(|(_, rule)| rule.text.clone()).collect()
    }

    /// Every rule with its result for the token and the route, in the order of the list.
    ///
    /// Rules that were not evaluated for the decision are evaluated here, with a budget of their own.
    #[must_use]
    pub fn explain(&self, access: &Access, claims: &Claims, route: &Route) -> Vec<Explained<'_>> {
        let deciding = match self.decide(access, route) {
            Verdict::Open(rule) | Verdict::ClosedSpelling(rule) => Some(rule),
            Verdict::Closed(rule) => rule,
            Verdict::AmbiguousPath => None,
        };
        let others = self.access(claims);
        let open = |index| access.evaluated(index).unwrap_or_else(|| others.is_open(index));
        let rules = self.rules.iter().enumerate().map(|(index, rule)| Explained {
            route: &rule.text,
            condition: rule.condition.to_string(),
            open: open(index),
            decides: deciding == Some(index),
        });
        rules.collect()
    }

    fn decide(&self, access: &impl OpenRules, route: &Route) -> Verdict {
        match route {
            Route::Http { method, path } => {
                let own = self.by_method.iter().find(|(own, _)| own == method);
                // Policies list only the methods of API Gateway.
                own.map_or(Verdict::Closed(None), |(_, rules)| rules.decide(access, path))
            }
            Route::Key(name) => {
                let has_name = |rule: &Rule| rule.route == RoutePattern::Key(name.clone());
                match self.rules.iter().position(has_name) {
                    Some(rule) if access.is_open(rule) => Verdict::Open(rule),
                    rule => Verdict::Closed(rule),
                }
            }
        }
    }
}

/// The resources that deny paths with a dot segment for every method, as far as IAM can express them.
const DOT_SEGMENTS: [&str; 6] = ["*/./*", "*/.", "*/.;*", "*/../*", "*/..", "*/..;*"];
/// The most bytes that they take in a policy.
const DOT_SEGMENTS_BYTES: usize = DOT_SEGMENTS.len() * (RESOURCE_OVERHEAD + 6);

/// API Gateway accepts 8 KB of response from an authorizer. The principal and the context need some of it.
const MAX_POLICY_BYTES: usize = 7 * 1024;
/// The bytes of a policy without its resources.
const POLICY_OVERHEAD: usize = 256;
/// The bytes around each resource: the ARN of the stage, whose name has up to 30 characters, quotes and a comma.
const RESOURCE_OVERHEAD: usize = 93;
/// More rules than this never fit into a policy.
const MAX_RULES: usize = 128;

#[cfg(test)]
mod tests {
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
            (
                "a list as a rule",
                r#"[["GET /a", null, null, true]]"#,
                "is not a JSON list of rules: ",
            ),
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
        let below =
            |one: &str, other: &str| Err(RulesError::Below(one.to_owned(), other.to_owned()));
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
            (
                "equally specific",
                &["GET /*/a/*", "GET /*/b/*"],
                ambiguous("GET /*/a/*", "GET /*/b/*"),
            ),
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
                vec![
                    rule("GET /*", "claims.a"),
                    rule("GET /admin/*", "claims.a"),
                    rule(health, ""),
                ],
                true,
            ),
            (
                "another expression between",
                vec![
                    rule("GET /*", "claims.a"),
                    rule("GET /admin/*", "claims.b"),
                    rule(health, ""),
                ],
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
            (
                "all paths of one method, for this method",
                &["GET /*"],
                1,
                "GET /{proxy+}",
                Some(true),
            ),
            ("all paths of one method, for any method", &["GET /*"], 1, "ANY /{proxy+}", None),
            ("no open rule", &["GET /*"], 0, "$default", Some(false)),
            ("a route below an open rule", &["GET /a/*"], 1, "GET /a/{id}", Some(true)),
            ("a route without a rule", &["GET /a/*"], 1, "GET /b", Some(false)),
            ("a route wider than the rule", &["GET /a/*"], 1, "GET /{x}/{y}", None),
            ("a closed path of the route", &["GET /a/*", "GET /a/b"], 1, "GET /a/{id}", None),
            (
                "a closed path of another route",
                &["GET /a/*", "GET /a/b"],
                1,
                "GET /a/c",
                Some(true),
            ),
            (
                "a route key that no rule can have",
                &["* /*"],
                1,
                "GET /{t}/o:x/{proxy+}",
                Some(true),
            ),
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
        let open =
            json!([{"route": "GET /*", "scope": "a"}, {"route": "GET /admin/*", "any": true}]);
        assert_eq!(read(&open).unwrap().warnings(), [], "the narrower rule closes nothing");
        let same =
            json!([{"route": "GET /*", "scope": "a"}, {"route": "GET /admin/*", "scope": "a"}]);
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
}
