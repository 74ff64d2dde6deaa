//! Which rules are open to a token, asked of its claims once each.

use std::cell::Cell;

use jwt::Claims;

use super::{Api, rule::Rule};
use crate::cel::Subject;

/// What knows whether a rule is open to a token.
pub trait Opens {
    /// By the rule's place in the list.
    fn opens(&self, rule: usize) -> bool;
}

/// Which rules are open to a token, of those that the answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// By rule. `None`: nothing depended on it.
    pub(crate) open: Vec<Option<bool>>,
    /// Whether a condition was not evaluated, as it would have exceeded the budget of a request.
    pub is_over_budget: bool,
}

impl Access {
    pub(crate) fn evaluated(&self, rule: usize) -> Option<bool> {
        self.open.get(rule).copied().flatten()
    }
}

impl Opens for Access {
    fn opens(&self, rule: usize) -> bool {
        self.evaluated(rule).unwrap_or(false)
    }
}

/// Rules that are evaluated for a token when they are asked about.
pub struct LazyAccess<'a> {
    rules: &'a [Rule],
    subject: Subject<'a>,
    open: Vec<Cell<Option<bool>>>,
}

impl<'a> LazyAccess<'a> {
    pub(crate) fn new(rules: &'a [Rule], claims: &'a Claims) -> Self {
        let open = rules.iter().map(|_| Cell::default()).collect();
        Self { rules, subject: Subject::new(claims), open }
    }

    /// Evaluates, in their order, all rules that a policy for this kind of API depends on: what they share of
    /// the budget does not depend on the route then.
    pub fn evaluate_for_policy(&self, api: Api) {
        let is_wanted = |rule: &Rule| match api {
            Api::Rest => !rule.is_key(),
            Api::Http => true,
            // Its policy is for one route, whose rule is evaluated when the route is decided on.
            Api::WebSocket => false,
        };
        for (at, _) in self.rules.iter().enumerate().filter(|(_, rule)| is_wanted(rule)) {
            self.opens(at);
        }
    }

    /// What has been evaluated.
    #[must_use]
    pub fn settle(self) -> Access {
        let open = self.open.into_iter().map(Cell::into_inner).collect();
        Access { open, is_over_budget: self.subject.is_over_budget() }
    }
}

impl Opens for LazyAccess<'_> {
    fn opens(&self, rule: usize) -> bool {
        let (Some(known), Some(rule)) = (self.open.get(rule), self.rules.get(rule)) else {
            return false;
        };
        let open = known.get().unwrap_or_else(|| rule.condition.holds(&self.subject));
        known.set(Some(open));
        open
    }
}
