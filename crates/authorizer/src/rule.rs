use std::error::Error;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    condition::{Condition, ConditionError},
    route::{RouteError, RoutePattern},
};

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

/// What is wrong with the rules. Routes are quoted, by which their owner knows them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Not JSON, or of another form.
    #[error("is not a JSON list of rules: {0}")]
    Form(String),
    /// There is none.
    #[error("has no rule in it")]
    Empty,
    /// The route of one of them.
    #[error("rule {number}: {problem}")]
    Route {
        /// Which, from 1.
        number: usize,
        /// Why.
        problem: RouteError,
    },
    /// The condition of one of them.
    #[error("rule {number}: {problem}")]
    Condition {
        /// Which, from 1.
        number: usize,
        /// Why.
        problem: ConditionError,
    },
    /// Two for the same routes.
    #[error("{0} and {1} are the same routes; say both in one rule")]
    Twice(String, String),
    /// Two, neither of which is more specific than the other for the routes that they share.
    #[error("{0} and {1} share routes, and neither is plainly the more specific")]
    Ambiguous(String, String),
    /// One segment that is open, and something below it.
    #[error(
        "no policy opens {0} and {1} and not what else is below: its wildcards reach over slashes; \
         write * in place of {{name}} in both, which opens all that is below"
    )]
    Below(String, String),
    /// What is open in what is closed in what is open.
    #[error(
        "no policy opens {0} and {2} while {1} is closed: its Deny wins over every Allow, and its \
         wildcards reach over slashes; give two of them one condition, or leave one out"
    )]
    Within(String, String, String),
    /// More than API Gateway takes.
    #[error(
        "could make a policy of {0} bytes, and API Gateway takes 8 KB with the context; each route \
         takes about 100 bytes, and one with * as its method seven times as much"
    )]
    TooLong(usize),
}

impl RulesError {
    pub(crate) fn form(problem: &dyn Error) -> Self {
        Self::Form(problem.to_string())
    }

    pub(crate) fn ambiguous(rules: &[Rule], one: usize, other: usize) -> Self {
        Self::Ambiguous(text(rules, one), text(rules, other))
    }

    pub(crate) fn below(rules: &[Rule], open: usize, other: usize) -> Self {
        Self::Below(text(rules, open), text(rules, other))
    }

    pub(crate) fn within(rules: &[Rule], wide: usize, closed: usize, open: usize) -> Self {
        Self::Within(text(rules, wide), text(rules, closed), text(rules, open))
    }
}

fn text(rules: &[Rule], rule: usize) -> String {
    rules.get(rule).map(|rule| rule.text.clone()).unwrap_or_default()
}
