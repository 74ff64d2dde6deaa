use std::str::FromStr;

use jwt::Claims;

use super::{
    Access, ForbidReason, LazyAccess, Opens, Route, RulesError, Warning,
    method_rules::{MethodRules, Verdict},
    path::PathPattern,
    route::{METHODS, RoutePattern},
    rule::Rule,
};

/// Which routes a token opens: `ACCESS_RULES`.
///
/// The most specific rule for a route decides on it, and a route that no rule names is closed.
/// There are no rules here that a policy could not say for every route at once.
#[derive(Debug)]
pub struct AccessRules {
    all: Vec<Rule>,
    /// By method, as in [`METHODS`].
    by_method: Vec<(&'static str, MethodRules)>,
    /// Whether a policy has room for other spellings of closed paths.
    spellings: bool,
}

/// A rule, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained<'a> {
    /// Its route as it was written.
    pub route: &'a str,
    /// What it asks of a token.
    pub condition: String,
    /// Whether the token has that.
    pub open: bool,
    /// Whether it is the one that decides on the route.
    pub decides: bool,
}

impl FromStr for AccessRules {
    type Err = RulesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let objects = jwt::json::objects(text.as_bytes());
        let objects = objects.map_err(|error| RulesError::form(&error))?.into_iter();
        let rules = objects.enumerate().map(|(at, members)| Rule::read(at + 1, members));
        let rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        if rules.is_empty() {
            return Err(RulesError::Empty);
        }
        for (at, rule) in rules.iter().enumerate() {
            if let Some(same) = rules.iter().skip(at + 1).find(|it| it.route == rule.route) {
                return Err(RulesError::Twice(rule.text.clone(), same.text.clone()));
            }
        }
        let most = rules.len() * METHODS.len() * AROUND;
        if rules.len() > MAX_RULES {
            return Err(RulesError::TooLong(most));
        }
        let by_method = METHODS.map(|method| Ok((method, MethodRules::new(method, &rules)?)));
        let by_method = by_method.into_iter().collect::<Result<Vec<_>, _>>()?;
        let bytes = |spellings| -> usize {
            by_method.iter().map(|(_, table)| table.bytes(AROUND, spellings)).sum::<usize>() + FRAME
        };
        if bytes(false) > MAX_BYTES {
            return Err(RulesError::TooLong(bytes(false)));
        }
        let spellings = bytes(true) + DOT_SEGMENTS_BYTES <= MAX_BYTES;
        Ok(Self { all: rules, by_method, spellings })
    }
}

impl AccessRules {
    /// What the holder of these claims may do; each rule is evaluated when it is asked about.
    #[must_use]
    pub fn access<'a>(&'a self, claims: &'a Claims) -> LazyAccess<'a> {
        LazyAccess::new(&self.all, claims)
    }

    /// Why a route is not open, if it is not.
    #[must_use]
    pub fn forbid_reason(&self, access: &impl Opens, route: &Route) -> Option<ForbidReason> {
        match self.decide(access, route) {
            Verdict::Open(_) => None,
            Verdict::Closed(_) => Some(ForbidReason::ClosedRoute),
            Verdict::ClosedSpelling(_) => Some(ForbidReason::ClosedSpelling),
            Verdict::AmbiguousPath => Some(ForbidReason::AmbiguousPath),
        }
    }

    /// What an operator should look at before these rules are deployed.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let text = |rule: usize| self.all.get(rule).map(|rule| rule.text.clone());
        let no_room = (!self.spellings).then_some(Warning::NoRoomForSpellings);
        let mut warnings: Vec<Warning> = no_room.into_iter().collect();
        for (rule, decided_by) in
            self.by_method.iter().flat_map(|(_, table)| table.open_parents(&self.all))
        {
            let pair = text(rule).zip(text(decided_by));
            let warning = pair.map(|(rule, decided_by)| Warning::OpenParent { rule, decided_by });
            warnings.extend(warning.filter(|warning| !warnings.contains(warning)));
        }
        warnings
    }

    /// Whether all routes of this key (`GET /orders/{id}`, `ANY /{proxy+}`, `$default`) are open, or
    /// none of them; `None` when some are.
    #[must_use]
    pub fn permit_all(&self, access: &impl Opens, key: &str) -> Option<bool> {
        let (method, path) = match key.split_once(' ') {
            Some((method, path)) => (method, PathPattern::of_api(path)),
            None => ("ANY", PathPattern::all()),
        };
        if method != "ANY" && !METHODS.contains(&method) {
            return Some(false);
        }
        let by_method = self.by_method.iter().filter(|(own, _)| method == "ANY" || *own == method);
        let verdicts = by_method.map(|(_, table)| table.verdict(access, &path));
        let named = self.all.iter().enumerate().filter(|(_, rule)| rule.is_key());
        let named = named.filter(|_| key == "$default").map(|(at, _)| Some(access.opens(at)));
        let mut verdicts = verdicts.chain(named);
        let first = verdicts.next().flatten()?;
        verdicts.all(|verdict| verdict == Some(first)).then_some(first)
    }

    /// What a policy of an API with methods and paths allows and denies, without the stage before it.
    pub(crate) fn resources(&self, access: &impl Opens) -> (Vec<String>, Vec<String>) {
        let (mut allow, mut deny) = (Vec::new(), Vec::new());
        for (_, table) in &self.by_method {
            table.write(access, self.spellings, &mut allow, &mut deny);
        }
        if self.spellings && allow.iter().any(|resource| resource.contains('*')) {
            deny.extend(DOT_SEGMENTS.map(str::to_owned));
        }
        (allow, deny)
    }

    /// The names of routes that have nothing but a name, and are open.
    pub(crate) fn open_keys(&self, access: &impl Opens) -> Vec<String> {
        let open =
            self.all.iter().enumerate().filter(|(at, rule)| access.opens(*at) && rule.is_key());
        open.map(|(_, rule)| rule.text.clone()).collect()
    }

    /// Every rule as it was written, with what it says of a token and of a route.
    #[must_use]
    pub fn explain(&self, access: &Access, claims: &Claims, route: &Route) -> Vec<Explained<'_>> {
        let deciding = match self.decide(access, route) {
            Verdict::Open(rule) | Verdict::ClosedSpelling(rule) => Some(rule),
            Verdict::Closed(rule) => rule,
            Verdict::AmbiguousPath => None,
        };
        let others = self.access(claims);
        let open = |rule| access.evaluated(rule).unwrap_or_else(|| others.opens(rule));
        let rules = self.all.iter().enumerate().map(|(at, rule)| Explained {
            route: &rule.text,
            condition: rule.condition.to_string(),
            open: open(at),
            decides: deciding == Some(at),
        });
        rules.collect()
    }

    fn decide(&self, access: &impl Opens, route: &Route) -> Verdict {
        match route {
            Route::Http { method, path } => {
                let own = self.by_method.iter().find(|(own, _)| own == method);
                // A policy names the methods of API Gateway alone.
                own.map_or(Verdict::Closed(None), |(_, table)| table.decide(access, path))
            }
            Route::Key(name) => {
                let named = |rule: &Rule| rule.route == RoutePattern::Key(name.clone());
                match self.all.iter().position(named) {
                    Some(rule) if access.opens(rule) => Verdict::Open(rule),
                    rule => Verdict::Closed(rule),
                }
            }
        }
    }
}

/// What denies paths with a dot segment in every method, as far as IAM can say it.
const DOT_SEGMENTS: [&str; 6] = ["*/./*", "*/.", "*/.;*", "*/../*", "*/..", "*/..;*"];
/// With what stands around them.
const DOT_SEGMENTS_BYTES: usize = DOT_SEGMENTS.len() * (AROUND + 6);

/// API Gateway takes 8 KB of an authorizer's answer, of which the principal and the context need
/// some.
const MAX_BYTES: usize = 7 * 1024;
/// What stands around the resources.
const FRAME: usize = 256;
/// The stage's ARN before each resource, with a stage of up to 30 characters, quotes and a comma.
const AROUND: usize = 93;
/// More than could be said in 8 KB.
const MAX_RULES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{ConditionError, RouteError};
    use crate::cel::ExpressionError;
    use serde_json::json;

    fn read(rules: &serde_json::Value) -> Result<AccessRules, RulesError> {
        rules.to_string().parse()
    }

    /// Rules with a condition each: a scope of their own.
    fn scoped(routes: &[&str]) -> Result<AccessRules, RulesError> {
        let rule = |(at, route)| json!({"route": route, "scope": format!("s{at}")});
        read(&routes.iter().enumerate().map(rule).collect())
    }

    #[test]
    fn rules_that_are_none() {
        let route = |number, problem| Err(RulesError::Route { number, problem });
        let condition = |number, problem| Err(RulesError::Condition { number, problem });
        let twice = |one: &str, other: &str| Err(RulesError::Twice(one.into(), other.into()));
        let rows = [
            ("none", json!([]), Err(RulesError::Empty)),
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
                "not any",
                json!([{"route": "GET /a", "any": false}]),
                condition(1, ConditionError::Any),
            ),
            (
                "two scopes",
                json!([{"route": "GET /a", "scope": "a b"}]),
                condition(1, ConditionError::Scope),
            ),
            (
                "no scope",
                json!([{"route": "GET /a", "scope": ""}]),
                condition(1, ConditionError::Scope),
            ),
            (
                "an unknown variable",
                json!([{"route": "GET /a", "when": "claim.sub == 'a'"}]),
                condition(1, ExpressionError::Variable("claim".into()).into()),
            ),
            (
                "twice",
                json!([{"route": "GET /{a}", "any": true}, {"route": "GET /{b}", "scope": "a"}]),
                twice("GET /{a}", "GET /{b}"),
            ),
            (
                "a name twice",
                json!([{"route": "$connect", "any": true}, {"route": "$connect", "scope": "a"}]),
                twice("$connect", "$connect"),
            ),
        ];
        for (name, rules, expected) in rows {
            assert_eq!(read(&rules).map(|_| ()), expected, "{name}");
        }
        for (name, text) in [
            ("not JSON", "GET /a"),
            ("not a list", r#"{"route": "GET /a", "any": true}"#),
            ("an unknown member", r#"[{"route": "GET /a", "scopes": "a"}]"#),
            ("a member twice", r#"[{"route": "GET /a", "scope": "a", "scope": "b"}]"#),
            ("no route", r#"[{"any": true}]"#),
            ("members by their place", r#"[["GET /a", null, null, true]]"#),
            ("not CEL", r#"[{"route": "GET /a", "when": "claims.sub =="}]"#),
        ] {
            let form = matches!(
                text.parse::<AccessRules>(),
                Err(RulesError::Form(_)
                    | RulesError::Condition {
                        problem: ConditionError::Expression(ExpressionError::Syntax(_)),
                        ..
                    })
            );
            assert!(form, "{name}");
        }
    }

    #[test]
    fn rules_that_a_policy_can_say_and_rules_that_it_cannot() {
        let below =
            |one: &str, other: &str| Err(RulesError::Below(one.to_owned(), other.to_owned()));
        let within = |[wide, closed, open]: [&str; 3]| {
            Err(RulesError::Within(wide.to_owned(), closed.to_owned(), open.to_owned()))
        };
        let plain =
            |one: &str, other: &str| Err(RulesError::Ambiguous(one.to_owned(), other.to_owned()));
        let rows: [(&str, &[&str], _); 17] = [
            ("apart", &["GET /orders", "POST /orders", "GET /orders/{id}"], Ok(())),
            ("one within another", &["GET /*", "* /admin/*"], Ok(())),
            ("below", &["GET /orders/*", "GET /orders/*/items"], Ok(())),
            ("by method", &["GET /orders/{id}", "POST /orders/{id}/items"], Ok(())),
            ("one method of all", &["* /orders/*", "GET /orders/*"], Ok(())),
            ("crossing", &["GET /orders/*", "GET /*/items"], Ok(())),
            ("segments", &["GET /{a}/x", "GET /b/y"], Ok(())),
            ("a name", &["$connect", "GET /*"], Ok(())),
            (
                "one segment and what is below it",
                &["GET /orders/{id}", "GET /orders/{id}/items"],
                below("GET /orders/{id}", "GET /orders/{id}/items"),
            ),
            (
                "one segment in all that is below",
                &["GET /orders/*", "GET /orders/{id}"],
                within(["GET /orders/*", "GET /orders/{id}", "GET /orders/*"]),
            ),
            (
                "open in closed in open",
                &["GET /*", "GET /admin/*", "GET /admin/health"],
                within(["GET /*", "GET /admin/*", "GET /admin/health"]),
            ),
            ("two in one", &["GET /*", "GET /a/*", "GET /b/*"], Ok(())),
            (
                "two crossing in one",
                &["GET /*", "GET /a/*", "GET /*/b"],
                within(["GET /*", "GET /*/b", "GET /a/*"]),
            ),
            ("neither", &["GET /*/a/*", "GET /*/b/*"], plain("GET /*/a/*", "GET /*/b/*")),
            ("in vain", &["GET /*/*/a", "GET /*/a"], plain("GET /*/a", "GET /*/*/a")),
            ("of another method", &["GET /*/a/*", "POST /*/b/*"], Ok(())),
            ("one segment each", &["GET /{a}", "GET /a/{b}"], below("GET /{a}", "GET /a/{b}")),
        ];
        for (name, routes, expected) in rows {
            assert_eq!(scoped(routes).map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn what_is_never_open_without_the_other_need_not_be_kept_apart() {
        let rule = |route: &str, scope: &str| match scope {
            "" => json!({"route": route, "any": true}),
            _ if scope.contains('.') => json!({"route": route, "when": scope}),
            _ => json!({"route": route, "scope": scope}),
        };
        let open = "GET /admin/health";
        let rows = [
            ("nothing between", vec![rule("GET /*", ""), rule(open, "")], true),
            (
                "closed between",
                vec![rule("GET /*", ""), rule("GET /admin/*", "a"), rule(open, "")],
                false,
            ),
            (
                "closed with the wider",
                vec![rule("GET /*", "a"), rule("GET /admin/*", "a"), rule(open, "")],
                true,
            ),
            (
                "closed with the narrower",
                vec![rule("GET /*", ""), rule("GET /admin/*", "a"), rule(open, "a")],
                true,
            ),
            (
                "closed with the wider, by an expression",
                vec![rule("GET /*", "claims.a"), rule("GET /admin/*", "claims.a"), rule(open, "")],
                true,
            ),
            (
                "closed by another expression",
                vec![rule("GET /*", "claims.a"), rule("GET /admin/*", "claims.b"), rule(open, "")],
                false,
            ),
            (
                "closed by a scope of the same text",
                vec![rule("GET /*", "claims.a"), rule("GET /admin/*", "a"), rule(open, "")],
                false,
            ),
            (
                "below one segment what is open anyway",
                vec![rule("GET /a/{id}", ""), rule("GET /a/*", "")],
                true,
            ),
        ];
        for (name, rules, expected) in rows {
            assert_eq!(read(&rules.into()).is_ok(), expected, "{name}");
        }
    }

    /// These rules, of which the first are open.
    fn opened(routes: &[&str], open: usize) -> (AccessRules, Access) {
        let access = (0..routes.len()).map(|at| Some(at < open)).collect();
        (scoped(routes).unwrap(), Access { open: access, is_over_budget: false })
    }

    #[test]
    fn all_routes_of_a_key() {
        let rows: [(_, &[&str], _, _, _); 16] = [
            ("all", &["* /*"], 1, "$default", Some(true)),
            ("all, but a name", &["* /*", "$default"], 1, "$default", None),
            ("all, and a name", &["* /*", "$default"], 2, "$default", Some(true)),
            ("all of a method", &["GET /*"], 1, "$default", None),
            ("all of a method", &["GET /*"], 1, "GET /{proxy+}", Some(true)),
            ("all of a method", &["GET /*"], 1, "ANY /{proxy+}", None),
            ("nothing", &["GET /*"], 0, "$default", Some(false)),
            ("one route", &["GET /a/*"], 1, "GET /a/{id}", Some(true)),
            ("another", &["GET /a/*"], 1, "GET /b", Some(false)),
            ("more than is open", &["GET /a/*"], 1, "GET /{x}/{y}", None),
            ("some closed", &["GET /a/*", "GET /a/b"], 1, "GET /a/{id}", None),
            ("what is closed is elsewhere", &["GET /a/*", "GET /a/b"], 1, "GET /a/c", Some(true)),
            ("an odd key", &["* /*"], 1, "GET /{t}/o:x/{proxy+}", Some(true)),
            ("of no method", &["* /*"], 1, "PROPFIND /a", Some(false)),
            ("a closed slash", &["GET /*", "GET /a"], 1, "GET /a/", None),
            ("a closed slash among others", &["GET /*", "GET /a"], 1, "GET /a/{x+}", None),
        ];
        for (name, routes, open, key, expected) in rows {
            let (rules, access) = opened(routes, open);
            assert_eq!(rules.permit_all(&access, key), expected, "{name}: {key}");
        }
    }

    #[test]
    fn a_slash_at_the_end_opens_nothing_that_is_closed_without_it() {
        let admin = ["GET/admin", "GET/admin/", "GET//admin"];
        let (items, below) = ("GET /orders/*/items", ["GET/admin/*", "GET//admin/*"]);
        let rows: [(&[&str], _, _, &[&str], bool); 12] = [
            // Read without regard to case alone, it would be open.
            (&["GET /*", "GET /A/x", "GET /a/*"], 2, "/a/x", &["GET/a/*", "GET//a/*"], false),
            (&["GET /*", "GET /A/*"], 1, "a/x", &["GET/A/*", "GET//A/*", "GET/a/*"], false),
            // In a policy, one segment reaches over slashes.
            (&["GET /a/*", "GET /A/{x}"], 1, "a/a/x", &[], true),
            // Of what another rule opens, no other spelling is denied.
            (&["GET /*", "GET /a/*", "GET /A/*"], 2, "a/x", &["GET/A/*", "GET//A/*"], true),
            (&["GET /*", "GET /admin"], 1, "admin/", &admin, false),
            (&["GET /*", "GET /admin"], 1, "admin//", &admin, false),
            (&["GET /*", "GET /admin/*"], 1, "admin/", &below, false),
            (
                &["GET /orders/*", items],
                1,
                "orders/7/items/",
                &["GET/orders/*/items", "GET/orders/*/items/"],
                false,
            ),
            (
                &["GET /orders/*", items],
                1,
                "orders/7/items/8",
                &["GET/orders/*/items", "GET/orders/*/items/"],
                true,
            ),
            (&["GET /orders/*", "GET /orders"], 1, "orders/", &["GET/orders/"], false),
            (&["GET /orders/*", "GET /orders"], 2, "orders/", &[], true),
            (&["GET /a", "GET /b"], 1, "a/", &[], false),
        ];
        for (routes, open, path, denied, expected) in rows {
            let (rules, access) = opened(routes, open);
            let (_, mut deny) = rules.resources(&access);
            deny.retain(|resource| !DOT_SEGMENTS.contains(&&**resource));
            assert_eq!(deny, denied, "{routes:?}");
            let route = Route::Http { method: "GET".into(), path: path.into() };
            assert_eq!(
                rules.forbid_reason(&access, &route).is_none(),
                expected,
                "{routes:?} {path}"
            );
        }
        // What would have to be denied with it, though it is open.
        let apart = scoped(&["GET /*/*", "GET /{a}", "GET /a"]);
        assert!(matches!(apart, Err(RulesError::Within(..))));
        let apart = scoped(&["GET /a/*/*", "GET /a/{b}"]);
        assert!(matches!(apart, Err(RulesError::Within(..))));
    }

    #[test]
    fn rule_that_leaves_its_parent_open_is_a_warning() {
        let rows: [(&[&str], &[&str]); 7] = [
            (
                &["GET /*", "* /admin/*"],
                &[
                    "* /admin/* does not match * /admin itself, on which GET /* decides: add a rule for it",
                ],
            ),
            (
                &["* /*", "* /admin/{path+}"],
                &[
                    "* /admin/{path+} does not match * /admin itself, on which * /* decides: add a rule for it",
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
        assert_eq!(read(&open).unwrap().warnings(), [], "nothing is closed there");
        let same =
            json!([{"route": "GET /*", "scope": "a"}, {"route": "GET /admin/*", "scope": "a"}]);
        assert_eq!(read(&same).unwrap().warnings(), [], "they ask for the same");
    }

    #[test]
    fn rules_for_more_than_a_policy_holds() {
        let read = |count: usize, more: usize| {
            let mut routes: Vec<_> = (0..count).map(|at| format!("GET /a{at}")).collect();
            if let Some(last) = routes.last_mut() {
                last.push_str(&"x".repeat(more));
            }
            scoped(&routes.iter().map(|route| &**route).collect::<Vec<_>>()).map(|_| ())
        };
        assert_eq!(read(69, 22), Ok(()));
        assert_eq!(read(69, 23), Err(RulesError::TooLong(7169)));
        assert_eq!(read(128, 0), Err(RulesError::TooLong(13_074)));
        assert_eq!(read(129, 0), Err(RulesError::TooLong(83_979)));
        // More room than there is: the policy does without other spellings.
        let wide = |count: usize| {
            let routes = (0..count).map(|at| format!("GET /a{at}"));
            let routes: Vec<_> = routes.chain(["GET /*".to_owned()]).collect();
            let rules = scoped(&routes.iter().map(|route| &**route).collect::<Vec<_>>());
            let rules = rules.map(|rules| (rules.warnings(), rules));
            rules.map(|(warnings, rules)| {
                let open = (0..=count).map(|at| Some(at == count)).collect();
                let access = Access { open, is_over_budget: false };
                let (_, deny) = rules.resources(&access);
                (warnings.contains(&Warning::NoRoomForSpellings), deny.len())
            })
        };
        assert_eq!(wide(20), Ok((false, 3 * 20 + DOT_SEGMENTS.len())));
        assert_eq!(wide(21), Ok((true, 2 * 21)));
        assert_eq!(wide(34), Ok((true, 2 * 34)));
        assert!(matches!(wide(35), Err(RulesError::TooLong(_))));
        // Closed, the second needs three: for itself, and with a slash at the end and at the start.
        let (rules, _) = opened(&["GET /*", "GET /a"], 0);
        let (_, gets) = rules.by_method.iter().find(|(method, _)| *method == "GET").unwrap();
        assert_eq!(gets.bytes(10, true), 15 + 15 + 16 + 16);
        assert_eq!(gets.bytes(10, false), 15 + 15 + 16);
    }
}
