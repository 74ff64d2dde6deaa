use std::{cmp::Ordering, iter, str::FromStr};

use super::{
    normalization::{Normalization, is_normalized},
    segment::{Segment, widen_next_to_wildcard},
};
use crate::access::RouteError;

/// A set of paths: the path of a rule, of a route of the API, or of one request.
///
/// It has at least one segment. The path `/` has one empty segment. Paths are written without the slash at
/// their start.
///
/// No pattern has both `{name}` and `*`. Where the two are next to each other in a rule, they are read as `*`
/// each; elsewhere the rule is refused ([`RouteError::Mixed`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern(Vec<Segment>);

impl FromStr for PathPattern {
    type Err = RouteError;

    /// Reads the path of a rule.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix('/').filter(|path| path.len() < MAX_PATH_BYTES);
        let path = path.ok_or(RouteError::Path)?;
        if path.is_empty() {
            return Ok(Self(vec![Segment::Text(String::new())]));
        }
        if path.ends_with('/') {
            return Err(RouteError::Slash);
        }
        let last = path.split('/').count() - 1;
        let segments = path.split('/').enumerate();
        let segments = segments.map(|(index, text)| Segment::read(text, index == last));
        let mut segments: Vec<_> = segments.collect::<Result<_, _>>()?;
        widen_next_to_wildcard(&mut segments);
        if segments.contains(&Segment::Wildcard) && segments.contains(&Segment::Parameter) {
            return Err(RouteError::Mixed);
        }
        Ok(Self(segments))
    }
}

impl PathPattern {
    /// The path of a route key of the API (`/orders/{id}`, `/{proxy+}`). It can have any text.
    pub(crate) fn from_route_key(path: &str) -> Self {
        let read = |segment: &str| match segment.strip_prefix('{') {
            Some(name) if name.ends_with("+}") => Segment::Wildcard,
            Some(name) if name.ends_with('}') => Segment::Parameter,
            _ => Segment::Text(segment.to_owned()),
        };
        Self(path.trim_start_matches('/').split('/').map(read).collect())
    }

    /// The path of a request: every segment is text, `*` included.
    pub(crate) fn literal(path: &str) -> Self {
        Self(path.split('/').map(|segment| Segment::Text(segment.to_owned())).collect())
    }

    /// Every path.
    pub(crate) fn all_paths() -> Self {
        Self(vec![Segment::Wildcard])
    }

    /// The same paths with a slash at the end.
    pub(crate) fn with_trailing_slash(&self) -> Self {
        Self(self.0.iter().cloned().chain([Segment::Text(String::new())]).collect())
    }

    /// The same paths without the slash at the end. `None` if the pattern has none there.
    pub(crate) fn without_trailing_slash(&self) -> Option<Self> {
        match &*self.0 {
            [rest @ .., Segment::Text(end)] if end.is_empty() && !rest.is_empty() => {
                Some(Self(rest.to_vec()))
            }
            _ => None,
        }
    }

    /// The same paths with a second slash at the start: `//admin` for `/admin`.
    pub(crate) fn with_second_leading_slash(&self) -> Self {
        let empty = iter::once(Segment::Text(String::new()));
        Self(empty.chain(self.0.iter().cloned()).collect())
    }

    /// Whether all its paths have the same number of segments: it has no `*`.
    pub(crate) fn has_fixed_length(&self) -> bool {
        !self.0.contains(&Segment::Wildcard)
    }

    /// Whether it ends with `*`, which also matches a slash at the end.
    pub(crate) fn ends_with_wildcard(&self) -> bool {
        self.0.last() == Some(&Segment::Wildcard)
    }

    /// The path above a pattern that ends with `*`: `/admin` for `/admin/*`.
    pub(crate) fn parent(&self) -> Option<Self> {
        match &*self.0 {
            [rest @ .., Segment::Wildcard] if !rest.is_empty() => Some(Self(rest.to_vec())),
            _ => None,
        }
    }

    /// The path of a request after this normalization. If that removes a slash at the end, also the
    /// normalized path with this slash: a backend may keep it.
    pub(crate) fn normalized_request(
        path: &str,
        normalization: Normalization,
    ) -> impl Iterator<Item = Self> {
        let (segments, removed_slash) = normalization.apply(path);
        let normalized = Self(segments.into_iter().map(Segment::Text).collect()).or_root();
        let with_slash = removed_slash.then(|| normalized.with_trailing_slash());
        iter::once(normalized).chain(with_slash)
    }

    /// The pattern for the paths of this pattern after this normalization.
    pub(crate) fn normalized(&self, normalization: Normalization) -> Self {
        let normalize = |segment: &Segment| match segment {
            Segment::Text(text) if !text.is_empty() => {
                normalization.apply(text).0.into_iter().map(Segment::Text).collect()
            }
            other => vec![other.clone()],
        };
        let mut segments: Vec<_> = self.0.iter().flat_map(normalize).collect();
        widen_next_to_wildcard(&mut segments);
        Self(segments).or_root()
    }

    /// Whether no normalization changes the pattern.
    pub(crate) fn is_normalized(&self) -> bool {
        self.0.iter().all(|segment| !matches!(segment, Segment::Text(text) if !is_normalized(text)))
    }

    fn or_root(self) -> Self {
        if self.0.is_empty() { Self(vec![Segment::Text(String::new())]) } else { self }
    }

    /// Whether this pattern matches every path that the other matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        can_align(&self.0, &other.0, |ours, others| {
            let is_wildcard = *ours == Segment::Wildcard;
            ours.covers(others).then_some((is_wildcard, false))
        })
    }

    /// Whether some path matches both patterns.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        can_align(&self.0, &other.0, |ours, others| {
            let overlap = ours.covers(others) || others.covers(ours);
            overlap.then_some((*ours == Segment::Wildcard, *others == Segment::Wildcard))
        })
    }

    /// Compares the specificity of two patterns segment by segment from the left. `Less` means that this
    /// pattern is more specific: text is more specific than `{name}`, `{name}` than `*`, and a pattern than
    /// its own beginning.
    pub(crate) fn cmp_specificity(&self, other: &Self) -> Ordering {
        let ranks = |path: &Self| path.0.iter().map(Segment::rank).chain([3]).collect::<Vec<_>>();
        ranks(self).cmp(&ranks(other))
    }

    /// The path in the resource of an IAM policy. It can match more than the pattern, as the wildcards of IAM
    /// also match `/`: see [`Self::overmatches`].
    pub(crate) fn iam_glob(&self) -> String {
        let segments: Vec<&str> = self.0.iter().map(Segment::iam_glob).collect();
        segments.join("/")
    }

    /// Patterns that together match what [`Self::iam_glob`] matches and this pattern does not: for each
    /// `{name}`, the paths that have two or more segments in its place.
    pub(crate) fn overmatches(&self) -> impl Iterator<Item = Self> {
        let parameters =
            self.0.iter().enumerate().filter(|(_, segment)| **segment == Segment::Parameter);
        parameters.map(|(index, _)| {
            let (before, rest) = self.0.split_at(index);
            let after = rest.iter().skip(1);
            let wildcards = iter::repeat_n(&Segment::Wildcard, 2);
            Self(before.iter().chain(wildcards).chain(after).cloned().collect())
        })
    }

    /// A pattern that matches every path that [`Self::iam_glob`] matches: `*` in place of each `{name}`.
    pub(crate) fn widened(&self) -> Self {
        let widen = |segment: &Segment| match segment {
            Segment::Parameter => Segment::Wildcard,
            other => other.clone(),
        };
        Self(self.0.iter().map(widen).collect())
    }
}

/// Whether two sequences of segments can be aligned from start to end.
///
/// `step` compares one segment of each. `None` means that they do not fit. Otherwise it says which of the two
/// can stay and take in the next segment of the other sequence as well: the left one, the right one.
fn can_align(
    ours: &[Segment],
    others: &[Segment],
    step: impl Fn(&Segment, &Segment) -> Option<(bool, bool)>,
) -> bool {
    // Dynamic programming from the end. A row has, for each start in `others`, whether the rest of `ours` can be
    // aligned with the rest of `others` from there.
    let mut next_row = vec![false; others.len()];
    next_row.push(true);
    for our in ours.iter().rev() {
        let mut row = vec![false; others.len() + 1];
        for (index, other) in others.iter().enumerate().rev() {
            let get = |row: &[bool], index: usize| row.get(index).copied().unwrap_or(false);
            let fits = step(our, other).is_some_and(|(ours_stays, others_stays)| {
                get(&next_row, index + 1)
                    || (ours_stays && get(&row, index + 1))
                    || (others_stays && get(&next_row, index))
            });
            if let Some(cell) = row.get_mut(index) {
                *cell = fits;
            }
        }
        next_row = row;
    }
    next_row.first().copied().unwrap_or(false)
}

/// The length of a path with the slash at its start.
const MAX_PATH_BYTES: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> PathPattern {
        text.parse().unwrap()
    }

    #[test]
    fn pattern_covers_and_overlaps_the_paths_that_it_matches() {
        let rows = [
            ("/", "", true),
            ("/", "a", false),
            ("/*", "", true),
            ("/*", "a/b", true),
            ("/{a}", "a", true),
            ("/{a}", "", false),
            ("/{a}", "a/b", false),
            ("/a/{b}", "a/b", true),
            ("/a/{b}", "a/", false),
            ("/a/{b}", "a", false),
            ("/a/*", "a", false),
            ("/a/*", "a/", true),
            ("/a/*", "a/b/c", true),
            ("/a/*/c", "a/b/c", true),
            ("/a/*/c", "a/b/c/c", true),
            ("/a/*/c", "a/c", false),
            ("/a/{id}/*", "a/b", false),
            ("/a/{id}/*", "a/b/", true),
            ("/*/b/*", "a/b/b", true),
            ("/*/b/*", "b/b", false),
            ("/a", "A", false),
            ("/a", "a/", false),
            ("/a%2Fb", "a/b", false),
        ];
        for (pattern, sent, expected) in rows {
            let request = PathPattern::literal(sent);
            assert_eq!(path(pattern).covers(&request), expected, "{pattern} {sent}");
            assert_eq!(path(pattern).overlaps(&request), expected, "{pattern} {sent}");
        }
    }

    #[test]
    fn path_of_a_route_key_covers_its_requests() {
        let rows = [
            ("/a/{id}", "a/b", true),
            ("/a/{id}", "a/b/c", false),
            ("/a/{id+}", "a/b/c", true),
            ("/a/{id", "a/b", false),
            ("/a/{id", "a/{id", true),
            ("/a/id}", "a/b", false),
            ("/{t}/o:x/{proxy+}", "t/o:x/y/z", true),
            ("/", "", true),
        ];
        for (route, sent, expected) in rows {
            let route_pattern = PathPattern::from_route_key(route);
            let covers = route_pattern.covers(&PathPattern::literal(sent));
            assert_eq!(covers, expected, "{route} {sent}");
        }
    }

    #[test]
    fn two_patterns_are_compared_by_cover_overlap_and_specificity() {
        // Two patterns; whether the first covers the second, the second the first, they overlap; the order.
        let rows = [
            ("/a", "/a", true, true, true, Ordering::Equal),
            ("/a", "/b", false, false, false, Ordering::Equal),
            ("/{x}", "/{y}", true, true, true, Ordering::Equal),
            ("/*", "/a", true, false, true, Ordering::Greater),
            ("/*", "/{x}", true, false, true, Ordering::Greater),
            ("/{x}", "/a", true, false, true, Ordering::Greater),
            ("/{x}", "/", false, false, false, Ordering::Greater),
            ("/a/*", "/a/*/c", true, false, true, Ordering::Greater),
            ("/a/{x}", "/a/{x}/c", false, false, false, Ordering::Greater),
            ("/a/{x}", "/{y}/b", false, false, true, Ordering::Less),
            ("/a/*", "/*/b", false, false, true, Ordering::Less),
            ("/*/*", "/*", false, true, true, Ordering::Less),
            ("/*/a/*", "/*/b/*", false, false, true, Ordering::Equal),
            ("/*/a", "/*/b", false, false, false, Ordering::Equal),
            ("/a/{x}/b", "/a/b/*", false, false, true, Ordering::Greater),
        ];
        for (one, other, covers, covered, overlaps, specificity) in rows {
            let (a, b) = (path(one), path(other));
            let found = (a.covers(&b), b.covers(&a), a.overlaps(&b), a.cmp_specificity(&b));
            assert_eq!(found, (covers, covered, overlaps, specificity), "{one} {other}");
            assert_eq!(b.overlaps(&a), overlaps, "{other} {one}");
            assert_eq!(b.cmp_specificity(&a), specificity.reverse(), "{other} {one}");
        }
    }

    #[test]
    fn iam_glob_with_its_overmatches_is_written() {
        let rows: [(&str, &str, &[&str]); 5] = [
            ("/", "", &[]),
            ("/a/*", "a/*", &[]),
            ("/a/{x}", "a/?*", &["a/*/*"]),
            ("/{x}/a/{y}", "?*/a/?*", &["*/*/a/?*", "?*/a/*/*"]),
            ("/{x}/*/a", "*/*/a", &[]),
        ];
        for (text, glob, overmatches) in rows {
            let pattern = path(text);
            assert_eq!(pattern.iam_glob(), glob);
            let found: Vec<_> =
                pattern.overmatches().map(|overmatch| overmatch.iam_glob()).collect();
            assert_eq!(found, overmatches, "{text}");
        }
        assert_eq!(path("/a/{x}").widened(), path("/a/*"));
    }
}
