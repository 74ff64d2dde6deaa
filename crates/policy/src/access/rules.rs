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
/// all these rules at once: parsing refuses any other rules.
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
    /// The rules that are open to the token with these claims. Each rule is evaluated at first use.
    #[must_use]
    pub fn access<'a>(&'a self, claims: &'a Claims) -> LazyAccess<'a> {
        LazyAccess::new(&self.rules, claims)
    }

    /// Why the route is closed to the token. `None`: it is open.
    #[must_use]
    pub fn forbid_reason(&self, access: &impl OpenRules, route: &Route) -> Option<ForbidReason> {
        self.decide(access, route).forbid_reason()
    }

    /// Warnings that an operator should check before these rules are deployed.
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
    /// Rules that were not evaluated for the decision are evaluated here, with a separate budget.
    #[must_use]
    pub fn explain(&self, access: &Access, claims: &Claims, route: &Route) -> Vec<Explained<'_>> {
        let deciding = self.decide(access, route).deciding_rule();
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
/// The maximum size of these resources in a policy, in bytes.
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
mod tests;
