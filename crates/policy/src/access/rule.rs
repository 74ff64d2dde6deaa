use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ConditionError, RulesError, condition::Condition, route::RoutePattern};

/// A rule: for these routes, a token must have this.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The route as it was written.
    pub(crate) text: String,
    pub(crate) route: RoutePattern,
    pub(crate) condition: Condition,
}

impl Rule {
    /// Reads the rule of this number, counted from 1.
    pub(crate) fn read(number: usize, members: Map<String, Value>) -> Result<Self, RulesError> {
        let wire = serde_json::from_value(members.into());
        let Wire { route: text, scope, when, any } =
            wire.map_err(|error| RulesError::form(&error))?;
        let route = text.parse().map_err(|problem| RulesError::Route { number, problem })?;
        let condition = match (scope, when, any) {
            (Some(scope), None, None) => Condition::scope(scope),
            (None, Some(when), None) => Condition::when(when),
            (None, None, Some(true)) => Ok(Condition::Any),
            (None, None, Some(false)) => Err(ConditionError::Any),
            _ => Err(ConditionError::Several),
        };
        let condition = condition.map_err(|problem| RulesError::Condition { number, problem })?;
        Ok(Self { text, route, condition })
    }

    /// Whether it is for a route that has a name alone.
    pub(crate) fn is_key(&self) -> bool {
        matches!(self.route, RoutePattern::Key(_))
    }
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    route: String,
    scope: Option<String>,
    when: Option<String>,
    any: Option<bool>,
}
