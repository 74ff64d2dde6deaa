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

/// Checks each rule for a method against each other one.
pub(crate) fn check_expressible(
    method_rules: &[MethodRule],
    rules: &[Rule],
) -> Result<(), RulesError> {
    for (position, checked) in method_rules.iter().enumerate() {
        for (other_position, other) in method_rules.iter().enumerate() {
            if other_position == position {
                continue;
            }
            let overmatches = checked.overmatches.iter().zip(checked.path.overmatches());
            let overlapping: Vec<&Overmatch> = overmatches
                .filter(|(_, path)| path.widened().overlaps(&other.path))
                .map(|(overmatch, _)| overmatch)
                .collect();
            let open = [checked.rule, other.rule];
            if overlapping.iter().any(|it| can_differ(&it.covered_by, open, rules)) {
                let [checked, other] = open.map(|rule| route_text(rules, rule));
                return Err(RulesError::Below(checked, other));
            }
            let is_more_specific = other_position < position && other.path.overlaps(&checked.path);
            let is_denied_too = is_more_specific || !overlapping.is_empty();
            let wider = wider_in_conflict(checked, other, is_more_specific, is_denied_too, rules);
            if let Some(wider) = wider {
                return Err(RulesError::Within(DenyConflict {
                    wider: route_text(rules, wider),
                    closed: route_text(rules, checked.rule),
                    open: route_text(rules, other.rule),
                    is_overmatch: !is_more_specific,
                }));
            }
        }
    }
    Ok(())
}

/// The less specific rule whose Allow requires a Deny for `closed` that also closes open paths of `other`.
///
/// `is_more_specific`: `other` is more specific than `closed` for some paths. `is_denied_too`: the resource of
/// `closed` matches paths of `other`.
fn wider_in_conflict(
    closed: &MethodRule,
    other: &MethodRule,
    is_more_specific: bool,
    is_denied_too: bool,
    rules: &[Rule],
) -> Option<usize> {
    let overridden = is_denied_too.then_some(&closed.overrides).into_iter();
    let slash = closed.trailing_slash.iter().filter(|slash| {
        let mut overmatches = slash.path.overmatches();
        is_more_specific || overmatches.any(|path| path.widened().overlaps(&other.path))
    });
    let wider = overridden.chain(slash.map(|slash| &slash.opened_by)).flatten();
    wider.copied().find(|wider| can_differ(&[closed.rule], [*wider, other.rule], rules))
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
