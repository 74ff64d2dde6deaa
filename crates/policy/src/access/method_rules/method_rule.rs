use std::cmp::Ordering;

use crate::access::{
    condition::Condition,
    path::{Normalization, PathPattern},
    rule::Rule,
};

/// One rule for one method, with the resources that express it in a policy.
///
/// Other rules are named by their index in the list of all rules.
#[derive(Debug)]
pub(crate) struct MethodRule {
    /// The index of the rule.
    pub(crate) rule: usize,
    pub(crate) path: PathPattern,
    /// Whether the rule can be closed to a token: its condition is not `any`.
    can_be_closed: bool,
    /// The resource that a policy allows if the rule is open, and denies if it is closed.
    pub(crate) resource: String,
    /// The paths that `resource` matches and `path` does not.
    pub(crate) overmatches: Vec<Overmatch>,
    /// Less specific rules that match some of the same paths. If one of them is open, this rule needs a Deny
    /// when it is closed.
    pub(crate) overrides: Vec<usize>,
    /// The paths with a slash at the end, for a path without `*`. Many backends treat both paths alike, so
    /// while this rule is closed, no other rule opens them.
    pub(crate) trailing_slash: Option<OtherSpelling>,
    /// Spellings of closed paths that a policy denies if it has room: with a slash at the end, with a second
    /// slash at the start, and in normal form.
    pub(crate) other_spellings: Vec<OtherSpelling>,
}

/// Paths that a resource matches although its rule does not, because `*` and `?` of IAM also match `/`.
///
/// While the rule is open, the policy must deny them, unless another rule opens them.
#[derive(Debug)]
pub(crate) struct Overmatch {
    pub(crate) resource: String,
    /// The rules that match all of these paths.
    pub(crate) covered_by: Vec<usize>,
}

/// Paths that a backend may treat like the paths of a rule.
#[derive(Debug)]
pub(crate) struct OtherSpelling {
    pub(crate) path: PathPattern,
    pub(crate) resource: String,
    /// The other rules that match some of these paths. A Deny is needed only if one of them is open.
    pub(crate) opened_by: Vec<usize>,
    /// More specific rules for some of the paths that these are spellings of. If one of them is open, there is
    /// no Deny.
    pub(crate) kept_open_by: Vec<usize>,
}

impl MethodRule {
    /// The rule at this position of the ordered rules for a method. `None`: there is no such position.
    pub(crate) fn new(
        method: &'static str,
        position: usize,
        ordered: &[(usize, &PathPattern)],
        rules: &[Rule],
    ) -> Option<Self> {
        let &(rule, path) = ordered.get(position)?;
        let less_specific = ordered.iter().skip(position + 1);
        let overrides = less_specific.filter(|(_, other)| other.overlaps(path));
        let more_specific = ordered.iter().take(position);
        let more_specific = more_specific.filter(|(_, other)| other.overlaps(path));
        let more_specific: Vec<usize> = indexes(more_specific);
        let overmatches = path.overmatches().map(|overmatch| {
            let widened = overmatch.widened();
            Overmatch {
                resource: format!("{method}/{}", overmatch.iam_glob()),
                covered_by: indexes(ordered.iter().filter(|(_, other)| other.covers(&widened))),
            }
        });
        let spelling = |other: PathPattern, kept_open_by: &[usize]| OtherSpelling {
            resource: format!("{method}/{}", other.iam_glob()),
            opened_by: indexes(ordered.iter().filter(|it| it.0 != rule && it.1.overlaps(&other))),
            kept_open_by: kept_open_by.to_vec(),
            path: other,
        };
        let normal_form = path.normalized(Normalization::FULL);
        let normal_form = (normal_form != *path).then(|| {
            let kept_open_by = ordered.iter().filter(|(other, it)| {
                let it = it.normalized(Normalization::FULL);
                let is_less_specific = it.cmp_specificity(&normal_form) == Ordering::Greater;
                *other != rule && it.overlaps(&normal_form) && !is_less_specific
            });
            spelling(normal_form.clone(), &indexes(kept_open_by))
        });
        // Elsewhere, the path with a slash is the path of `*`, or of `trailing_slash`.
        let needs_slash = !path.ends_with_wildcard() && !path.has_fixed_length();
        let slash = needs_slash.then(|| spelling(path.with_trailing_slash(), &more_specific));
        let second_slash = spelling(path.with_second_leading_slash(), &more_specific);
        // A Deny for a path with `{name}` also denies its overmatches: no other rule may match them.
        let closes_nothing_else = |it: &OtherSpelling| {
            let is_matched = |overmatch: PathPattern| {
                let widened = overmatch.widened();
                ordered.iter().any(|other| other.0 != rule && other.1.overlaps(&widened))
            };
            !it.path.overmatches().any(is_matched)
        };
        let other_spellings = slash.into_iter().chain([second_slash]).chain(normal_form);
        let is_any = rules.get(rule).is_some_and(|it| it.condition == Condition::Any);
        Some(Self {
            rule,
            path: path.clone(),
            can_be_closed: !is_any,
            resource: format!("{method}/{}", path.iam_glob()),
            overmatches: overmatches.collect(),
            overrides: indexes(overrides),
            trailing_slash: path
                .has_fixed_length()
                .then(|| spelling(path.with_trailing_slash(), &[])),
            other_spellings: other_spellings.filter(closes_nothing_else).collect(),
        })
    }

    /// The most bytes that the resources of this rule can take, open or closed, each with `overhead` bytes
    /// around it.
    pub(crate) fn max_bytes(&self, overhead: usize, other_spellings: bool) -> usize {
        let overmatches = self.overmatches.iter().map(|overmatch| &overmatch.resource);
        let if_open = overmatches.chain([&self.resource]);
        let own = (!self.overrides.is_empty()).then_some(&self.resource).into_iter();
        let spellings = self.other_spellings.iter().filter(|_| other_spellings);
        let spellings = self.trailing_slash.iter().chain(spellings);
        let spellings = spellings.filter(|it| !it.opened_by.is_empty());
        let if_closed = own.chain(spellings.map(|spelling| &spelling.resource));
        let if_closed = if_closed.filter(|_| self.can_be_closed);
        let bytes = |resource: &String| overhead + resource.len();
        if_open.map(bytes).sum::<usize>().max(if_closed.map(bytes).sum())
    }
}

fn indexes<'a>(ordered: impl Iterator<Item = &'a (usize, &'a PathPattern)>) -> Vec<usize> {
    ordered.map(|(rule, _)| *rule).collect()
}
