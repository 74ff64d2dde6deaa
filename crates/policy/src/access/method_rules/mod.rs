//! The rules for one HTTP method: their order, the verdict on a path, and their part of a policy.
//!
//! A [`MethodRule`] is one rule with its IAM resources, [`expressible`] refuses rules that no policy can
//! express, and [`NormalizedRules`] are the rules as a backend sees them that normalizes paths.

mod expressible;
mod method_rule;
mod normalized_rules;

use std::cmp::Ordering;

use self::{
    expressible::check_expressible,
    method_rule::{MethodRule, OtherSpelling},
    normalized_rules::NormalizedRules,
};
use super::{
    ForbidReason, RulesError,
    condition::Condition,
    open_rules::OpenRules,
    path::{PathPattern, is_ambiguous},
    route::RoutePattern,
    rule::{Rule, route_text},
};

/// The verdict of the rules for one method on a path. A rule is its index in the list of all rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This rule opens the path.
    Open(usize),
    /// This rule decides and does not open the path; `None`: no rule matches it.
    Closed(Option<usize>),
    /// A rule opens the path as it was sent, and this rule closes its normalized form.
    ClosedSpelling(usize),
    /// A rule opens the path as it was sent, and a backend may rewrite it.
    AmbiguousPath,
}

impl Verdict {
    /// Why the path is closed. `None`: it is open.
    pub(crate) const fn forbid_reason(self) -> Option<ForbidReason> {
        match self {
            Self::Open(_) => None,
            Self::Closed(_) => Some(ForbidReason::ClosedRoute),
            Self::ClosedSpelling(_) => Some(ForbidReason::ClosedSpelling),
            Self::AmbiguousPath => Some(ForbidReason::AmbiguousPath),
        }
    }

    /// The rule that decides, if any.
    pub(crate) const fn deciding_rule(self) -> Option<usize> {
        match self {
            Self::Open(rule) | Self::ClosedSpelling(rule) => Some(rule),
            Self::Closed(rule) => rule,
            Self::AmbiguousPath => None,
        }
    }
}

/// The rules for one method, the most specific first.
#[derive(Debug)]
pub(crate) struct MethodRules {
    method_rules: Vec<MethodRule>,
    normalized: Vec<NormalizedRules>,
}

impl MethodRules {
    /// # Errors
    /// If two rules match the same path and neither is more specific, or if no policy can express the rules.
    pub(crate) fn new(method: &'static str, rules: &[Rule]) -> Result<Self, RulesError> {
        let ordered = order(method, rules);
        reject_ambiguous(&ordered, rules)?;
        let method_rules: Vec<MethodRule> = (0..ordered.len())
            .filter_map(|position| MethodRule::new(method, position, &ordered, rules))
            .collect();
        check_expressible(&method_rules, rules)?;
        Ok(Self { method_rules, normalized: NormalizedRules::all(&ordered) })
    }

    /// The verdict on the path of a request. It is open if a rule opens it as it was sent and no rule closes
    /// it after any normalization.
    pub(crate) fn decide(&self, open_rules: &impl OpenRules, path: &str) -> Verdict {
        let sent = PathPattern::literal(path);
        let without_slash = sent.without_trailing_slash().and_then(|path| self.find(&path));
        let closed_without_slash =
            without_slash.filter(|it| it.trailing_slash.is_some() && !open_rules.is_open(it.rule));
        let Some(deciding) = closed_without_slash.or_else(|| self.find(&sent)) else {
            return Verdict::Closed(None);
        };
        if !open_rules.is_open(deciding.rule) {
            return Verdict::Closed(Some(deciding.rule));
        }
        if is_ambiguous(path) {
            return Verdict::AmbiguousPath;
        }
        let closing = self
            .normalized
            .iter()
            .find_map(|normalized| normalized.closing_rule(open_rules, deciding.rule, path));
        closing.map_or(Verdict::Open(deciding.rule), Verdict::ClosedSpelling)
    }

    /// The rule that decides on these paths, if one rule matches them all.
    fn find(&self, paths: &PathPattern) -> Option<&MethodRule> {
        self.method_rules.iter().find(|it| it.path.covers(paths))
    }

    /// Rules that an operator may misread: `/admin/*` does not match `/admin`. Each pair is a rule that ends
    /// with `*`, and the less specific rule with another condition that decides on the path above it.
    pub(crate) fn open_parents(&self, rules: &[Rule]) -> Vec<(usize, usize)> {
        let condition = |rule: usize| rules.get(rule).map(|rule| &rule.condition);
        let open_parent = |it: &MethodRule| {
            let decided_by = self.find(&it.path.parent()?)?.rule;
            let own = condition(it.rule)?;
            let differs = *own != Condition::Any && own != condition(decided_by)?;
            (differs && it.overrides.contains(&decided_by)).then_some((it.rule, decided_by))
        };
        self.method_rules.iter().filter_map(open_parent).collect()
    }

    /// Whether the rules open all these paths (`true`) or none of them (`false`). `None` if they open some.
    pub(crate) fn permit_all(
        &self,
        open_rules: &impl OpenRules,
        paths: &PathPattern,
    ) -> Option<bool> {
        let closes_slash = |it: &MethodRule| {
            let slash = it.trailing_slash.as_ref().filter(|slash| slash.path.overlaps(paths));
            slash.is_some() && !open_rules.is_open(it.rule)
        };
        let mut verdicts =
            if self.method_rules.iter().any(closes_slash) { vec![false] } else { Vec::new() };
        for it in self.method_rules.iter().filter(|it| it.path.overlaps(paths)) {
            verdicts.push(open_rules.is_open(it.rule));
            if it.path.covers(paths) {
                return common_verdict(&verdicts);
            }
        }
        verdicts.push(false);
        common_verdict(&verdicts)
    }

    /// Adds the resources that a policy allows and denies. With `other_spellings`, it also denies other
    /// spellings of closed paths.
    pub(crate) fn add_resources(
        &self,
        open_rules: &impl OpenRules,
        other_spellings: bool,
        allow: &mut Vec<String>,
        deny: &mut Vec<String>,
    ) {
        let any_open = |rules: &[usize]| rules.iter().any(|rule| open_rules.is_open(*rule));
        let mut add_deny = |resource: &String| {
            if !deny.contains(resource) {
                deny.push(resource.clone());
            }
        };
        for it in &self.method_rules {
            if open_rules.is_open(it.rule) {
                allow.push(it.resource.clone());
                let closed = it.overmatches.iter().filter(|it| !any_open(&it.covered_by));
                closed.for_each(|overmatch| add_deny(&overmatch.resource));
                continue;
            }
            if any_open(&it.overrides) {
                add_deny(&it.resource);
            }
            if let Some(slash) = it.trailing_slash.as_ref().filter(|it| any_open(&it.opened_by)) {
                add_deny(&slash.resource);
            }
            // A Deny must not close paths that an open rule matches.
            let is_denied = |it: &&OtherSpelling| {
                other_spellings && any_open(&it.opened_by) && !any_open(&it.kept_open_by)
            };
            it.other_spellings.iter().filter(is_denied).for_each(|it| add_deny(&it.resource));
        }
    }

    /// The most bytes that the resources of a policy can take, each with `overhead` bytes around it.
    pub(crate) fn max_bytes(&self, overhead: usize, other_spellings: bool) -> usize {
        self.method_rules.iter().map(|it| it.max_bytes(overhead, other_spellings)).sum()
    }
}

/// The rules for a method with their paths, the most specific first. Of rules with one path, only the one that
/// names the method is kept.
fn order<'a>(method: &str, rules: &'a [Rule]) -> Vec<(usize, &'a PathPattern)> {
    let mut matching: Vec<_> = rules
        .iter()
        .enumerate()
        .filter_map(|(index, rule)| match &rule.route {
            RoutePattern::Http { method: own, path } if own.is_none_or(|own| own == method) => {
                Some((index, own.is_none(), path))
            }
            _ => None,
        })
        .collect();
    matching.sort_by(|(_, any_method, path), (_, other_any_method, other)| {
        path.cmp_specificity(other).then(any_method.cmp(other_any_method))
    });
    let mut ordered: Vec<(usize, &PathPattern)> = Vec::new();
    for (index, _, path) in matching {
        if !ordered.iter().any(|(_, known)| *known == path) {
            ordered.push((index, path));
        }
    }
    ordered
}

/// Checks that of two rules that match the same path, one is more specific and leaves paths to the other.
fn reject_ambiguous(ordered: &[(usize, &PathPattern)], rules: &[Rule]) -> Result<(), RulesError> {
    for (position, (rule, path)) in ordered.iter().enumerate() {
        let less_specific = ordered.iter().skip(position + 1);
        for (other_rule, other) in less_specific.filter(|(_, it)| it.overlaps(path)) {
            if path.cmp_specificity(other) == Ordering::Equal || path.covers(other) {
                let (one, other) = (route_text(rules, *rule), route_text(rules, *other_rule));
                return Err(RulesError::Ambiguous(one, other));
            }
        }
    }
    Ok(())
}

/// The verdict that all have in common.
fn common_verdict(verdicts: &[bool]) -> Option<bool> {
    let first = verdicts.first().copied()?;
    verdicts.iter().all(|verdict| *verdict == first).then_some(first)
}
