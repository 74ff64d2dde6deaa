use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    RulesError,
    condition::{Condition, ConditionMembers},
    route::RoutePattern,
};
use crate::member_error::without_value;

/// An access rule: its routes are open to tokens that meet its condition.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The route as the rules have it.
    pub(crate) text: String,
    pub(crate) route: RoutePattern,
    pub(crate) condition: Condition,
}

impl Rule {
    /// Reads a rule. `number` is its place in the list, from 1.
    pub(crate) fn read(number: usize, mut members: Map<String, Value>) -> Result<Self, RulesError> {
        let member_error = |error| RulesError::Member { number, problem: without_value(&error) };
        let route: Map<_, _> = members.remove_entry("route").into_iter().collect();
        let condition: ConditionMembers =
            serde_json::from_value(members.into()).map_err(member_error)?;
        let RouteMember { route: text } =
            serde_json::from_value(route.into()).map_err(member_error)?;
        let route = text.parse().map_err(|problem| RulesError::Route { number, problem })?;
        let condition =
            condition.read().map_err(|problem| RulesError::Condition { number, problem })?;
        Ok(Self { text, route, condition })
    }

    /// Whether the route of the rule is a name: `$connect` or `$default`.
    pub(crate) fn has_route_key(&self) -> bool {
        matches!(self.route, RoutePattern::Key(_))
    }
}

/// The route of the rule at this index, as the rules have it.
pub(crate) fn route_text(rules: &[Rule], index: usize) -> String {
    rules.get(index).map(|rule| rule.text.clone()).unwrap_or_default()
}

/// The route of a rule as JSON has it.
#[derive(Deserialize)]
struct RouteMember {
    route: String,
}
