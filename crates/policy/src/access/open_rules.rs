//! The rules that are open to a token. Each rule is evaluated at most once for a request, and only if needed.

use std::cell::Cell;

use jwt::Claims;

use super::{Api, rule::Rule};
use crate::cel::EvaluationContext;

/// The rules that are open to a token.
pub trait OpenRules {
    /// Whether the rule at this index of the list of rules is open to the token.
    fn is_open(&self, rule: usize) -> bool;
}

/// The result of the rules that were evaluated for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// By the index of the rule, whether it is open. `None`: it was not evaluated.
    pub(crate) open: Vec<Option<bool>>,
    /// Whether a condition counts as false because it would have exceeded the budget of the request.
    pub is_over_budget: bool,
}

impl Access {
    /// Whether the rule is open. `None`: it was not evaluated.
    pub(crate) fn evaluated(&self, rule: usize) -> Option<bool> {
        self.open.get(rule).copied().flatten()
    }
}

impl OpenRules for Access {
    /// A rule that was not evaluated is not open.
    fn is_open(&self, rule: usize) -> bool {
        self.evaluated(rule).unwrap_or(false)
    }
}

/// Rules that are evaluated for a token at first use.
pub struct LazyAccess<'a> {
    rules: &'a [Rule],
    context: EvaluationContext<'a>,
    open: Vec<Cell<Option<bool>>>,
}

impl<'a> LazyAccess<'a> {
    pub(crate) fn new(rules: &'a [Rule], claims: &'a Claims) -> Self {
        let open = rules.iter().map(|_| Cell::default()).collect();
        Self { rules, context: EvaluationContext::new(claims), open }
    }

    /// Evaluates all rules that a policy for this kind of API depends on, in the order of the list. So the
    /// budget is spent in the same way for every route.
    pub fn evaluate_for_policy(&self, api: Api) {
        let is_needed = |rule: &Rule| match api {
            Api::Rest => !rule.has_route_key(),
            Api::Http => true,
            // The policy is for one route. Its rule is evaluated when the route is decided on.
            Api::WebSocket => false,
        };
        for (index, _) in self.rules.iter().enumerate().filter(|(_, rule)| is_needed(rule)) {
            self.is_open(index);
        }
    }

    /// The results so far.
    #[must_use]
    pub fn settle(self) -> Access {
        let open = self.open.into_iter().map(Cell::into_inner).collect();
        Access { open, is_over_budget: self.context.is_over_budget() }
    }
}

impl OpenRules for LazyAccess<'_> {
    fn is_open(&self, rule: usize) -> bool {
        let (Some(result), Some(rule)) = (self.open.get(rule), self.rules.get(rule)) else {
            return false;
        };
        let is_open = result.get().unwrap_or_else(|| rule.condition.is_met(&self.context));
        result.set(Some(is_open));
        is_open
    }
}
