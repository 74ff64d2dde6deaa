//! The check that an IAM policy can express the rules, whichever of them are open to a token.
//!
//! A Deny wins over every Allow. So a Deny that one rule needs must never match a path that another rule opens.
//! Two kinds of Deny can do that: one for the overmatch of an open rule ([`RulesError::Below`]), and one for a
//! closed rule that overrides an open one ([`RulesError::Within`]).

use super::method_rule::{MethodRule, Overmatch};
use crate::access::{
    DenyConflict, RulesError,
    condition::Condition,
    rule::{Rule, route_text},
};

/// Checks each rule against each other rule of the same method.
pub(crate) fn check_expressible(
    method_rules: &[MethodRule],
    rules: &[Rule],
) -> Result<(), RulesError> {
    for (position, it) in method_rules.iter().enumerate() {
        for (other_position, other) in method_rules.iter().enumerate() {
            if other_position == position {
                continue;
            }
            let is_in_overmatch: Vec<bool> =
                it.path.overmatches().map(|path| path.widened().overlaps(&other.path)).collect();
            let overmatches = it.overmatches.iter().zip(&is_in_overmatch);
            let mut overlapping = overmatches.filter(|(_, overlaps)| **overlaps);
            if overlapping.any(|(overmatch, _)| overmatch_closes(overmatch, it, other, rules)) {
                let (rule, other) = (route_text(rules, it.rule), route_text(rules, other.rule));
                return Err(RulesError::Below(rule, other));
            }
            let is_more_specific = other_position < position && other.path.overlaps(&it.path);
            let is_denied_too = is_more_specific || is_in_overmatch.contains(&true);
            let wider = closed_for(it, other, is_more_specific, is_denied_too, rules);
            if let Some(wider) = wider {
                return Err(RulesError::Within(DenyConflict {
                    wider: route_text(rules, wider),
                    closed: route_text(rules, it.rule),
                    open: route_text(rules, other.rule),
                    is_overmatch: !is_more_specific,
                }));
            }
        }
    }
    Ok(())
}

/// Whether the Deny for an overmatch of `it` can close paths of `other` that are open.
fn overmatch_closes(
    overmatch: &Overmatch,
    it: &MethodRule,
    other: &MethodRule,
    rules: &[Rule],
) -> bool {
    can_differ(&overmatch.covered_by, [it.rule, other.rule], rules)
}

/// The open rule for the sake of which `it`, while it is closed, is denied together with open paths of `other`.
fn closed_for(
    it: &MethodRule,
    other: &MethodRule,
    is_more_specific: bool,
    is_denied_too: bool,
    rules: &[Rule],
) -> Option<usize> {
    let overridden = is_denied_too.then_some(&it.overrides).into_iter();
    let slash = it.trailing_slash.iter().filter(|slash| {
        let mut overmatches = slash.path.overmatches();
        is_more_specific || overmatches.any(|path| path.widened().overlaps(&other.path))
    });
    let wider = overridden.chain(slash.map(|slash| &slash.opened_by)).flatten();
    wider.copied().find(|wider| can_differ(&[it.rule], [*wider, other.rule], rules))
}

/// Whether a token can exist to which all rules of `closed` are closed and both of `open` are open, as far as the
/// texts of their conditions tell.
fn can_differ(closed: &[usize], open: [usize; 2], rules: &[Rule]) -> bool {
    let condition = |rule: usize| rules.get(rule).map(|rule| &rule.condition);
    closed.iter().all(|closed| {
        let closed = condition(*closed);
        closed != Some(&Condition::Any) && open.iter().all(|open| closed != condition(*open))
    })
}
