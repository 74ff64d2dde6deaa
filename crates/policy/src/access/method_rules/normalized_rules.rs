use std::cmp::Ordering;

use crate::access::{
    open_rules::OpenRules,
    path::{Normalization, PathPattern, is_normalized},
};

/// The rules for one method after normalizations that all have the same effect on them.
#[derive(Debug)]
pub(crate) struct NormalizedRules {
    normalizations: Vec<Normalization>,
    /// The normalized paths with the indexes of their rules, the most specific first.
    patterns: Vec<(PathPattern, usize)>,
}

impl NormalizedRules {
    /// These rules after every combination of the steps of normalization.
    pub(crate) fn all(ordered: &[(usize, &PathPattern)]) -> Vec<Self> {
        // No normalization changes most rules.
        if ordered.iter().all(|(_, path)| path.is_normalized()) {
            let patterns = ordered.iter().map(|(rule, path)| ((*path).clone(), *rule)).collect();
            return vec![Self {
                normalizations: Normalization::combinations().collect(),
                patterns,
            }];
        }
        let mut all: Vec<Self> = Vec::new();
        for normalization in Normalization::combinations() {
            let patterns =
                ordered.iter().map(|(rule, path)| (path.normalized(normalization), *rule));
            let mut patterns: Vec<_> = patterns.collect();
            patterns.sort_by(|(path, _), (other, _)| path.cmp_specificity(other));
            match all.iter_mut().find(|known| known.patterns == patterns) {
                Some(known) => known.normalizations.push(normalization),
                None => all.push(Self { normalizations: vec![normalization], patterns }),
            }
        }
        all
    }

    /// The rule that closes a normalized form of the path of a request, which `opening` opens as it was sent.
    pub(crate) fn closing_rule(
        &self,
        open_rules: &impl OpenRules,
        opening: usize,
        path: &str,
    ) -> Option<usize> {
        let normalizations =
            if is_normalized(path) { &[Normalization::FULL][..] } else { &self.normalizations };
        let mut forms: Vec<PathPattern> = Vec::new();
        for form in normalizations.iter().flat_map(|it| PathPattern::normalized_request(path, *it))
        {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms.iter().find_map(|form| self.closing_rule_of_form(open_rules, opening, form))
    }

    /// Of several rules that normalization makes equally specific, the one that opens the path as it was sent
    /// decides on this spelling. If it is not among them, each of them can close the path.
    fn closing_rule_of_form(
        &self,
        open_rules: &impl OpenRules,
        opening: usize,
        form: &PathPattern,
    ) -> Option<usize> {
        let mut covering = self.patterns.iter().filter(|(path, _)| path.covers(form)).peekable();
        let first = &covering.peek()?.0;
        let deciding =
            covering.take_while(|(path, _)| path.cmp_specificity(first) == Ordering::Equal);
        let deciding: Vec<usize> = deciding.map(|(_, rule)| *rule).collect();
        if deciding.contains(&opening) {
            return None;
        }
        deciding.into_iter().find(|rule| !open_rules.is_open(*rule))
    }
}
