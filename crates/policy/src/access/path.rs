use std::{cmp::Ordering, iter, str::FromStr};

use super::{
    RouteError,
    spelling::{Steps, is_ambiguous, reads_as_sent},
};

/// Paths: a sequence of segments, of which at least one is there. `/` has one that is empty.
///
/// In a pattern, `{name}` and `*` do not stand apart from each other: where they stand side by side
/// they are read as so many `*`, which is what they mean together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern(Vec<Segment>);

/// The more specific, the smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    /// `{name}`: one segment that is not empty.
    One,
    /// `*`: one segment or more, which may be empty.
    Many,
}

impl FromStr for PathPattern {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix('/').filter(|path| path.len() < 300);
        let path = path.ok_or(RouteError::Path)?;
        if path.is_empty() {
            return Ok(Self(vec![Segment::Text(String::new())]));
        }
        if path.ends_with('/') {
            return Err(RouteError::Slash);
        }
        let last = path.split('/').count() - 1;
        let segments = path.split('/').enumerate();
        let segments = segments.map(|(i, text)| Segment::read(text, i == last));
        let mut segments: Vec<_> = segments.collect::<Result<_, _>>()?;
        widen_beside_many(&mut segments);
        if segments.contains(&Segment::Many) && segments.contains(&Segment::One) {
            return Err(RouteError::Mixed);
        }
        Ok(Self(segments))
    }
}

impl Segment {
    fn read(text: &str, last: bool) -> Result<Self, RouteError> {
        if text == "*" {
            return Ok(Self::Many);
        }
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let greedy = name.strip_suffix('+');
            let name = greedy.unwrap_or(name);
            let fits = |c: char| c.is_ascii_alphanumeric() || "_-.$:".contains(c);
            return match greedy {
                _ if name.is_empty() || !name.chars().all(fits) => Err(RouteError::Segment),
                Some(_) if !last => Err(RouteError::Segment),
                Some(_) => Ok(Self::Many),
                None => Ok(Self::One),
            };
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;:=@%".contains(c);
        if text.is_empty() || !text.chars().all(fits) {
            return Err(RouteError::Segment);
        }
        if is_ambiguous(text) {
            Err(RouteError::Rewritten)
        } else {
            Ok(Self::Text(text.to_owned()))
        }
    }

    /// Whether every text that the other can stand for is one that this can stand for.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Many, _) | (Self::One, Self::One) => true,
            (Self::One, Self::Text(text)) => !text.is_empty(),
            (Self::Text(text), Self::Text(other)) => text == other,
            _ => false,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::One => 1,
            Self::Many => 2,
        }
    }
}

fn widen_beside_many(segments: &mut [Segment]) {
    for forward in [true, false] {
        let mut beside = false;
        let mut widen = |segment: &mut Segment| {
            beside = matches!(segment, Segment::Many) || (beside && *segment == Segment::One);
            if beside {
                *segment = Segment::Many;
            }
        };
        if forward {
            segments.iter_mut().for_each(&mut widen);
        } else {
            segments.iter_mut().rev().for_each(&mut widen);
        }
    }
}

impl PathPattern {
    /// A route of the API as API Gateway writes it, whatever is in it.
    pub(crate) fn of_api(path: &str) -> Self {
        let read = |segment: &str| match segment.strip_prefix('{') {
            Some(name) if name.ends_with("+}") => Segment::Many,
            Some(name) if name.ends_with('}') => Segment::One,
            _ => Segment::Text(segment.to_owned()),
        };
        Self(path.trim_start_matches('/').split('/').map(read).collect())
    }

    /// Every path.
    pub(crate) fn all() -> Self {
        Self(vec![Segment::Many])
    }

    /// The same with a slash at its end.
    pub(crate) fn slash(&self) -> Self {
        Self(self.0.iter().cloned().chain([Segment::Text(String::new())]).collect())
    }

    /// The same without the slash at its end, if there is one.
    pub(crate) fn without_slash(&self) -> Option<Self> {
        match &*self.0 {
            [rest @ .., Segment::Text(end)] if end.is_empty() && !rest.is_empty() => {
                Some(Self(rest.to_vec()))
            }
            _ => None,
        }
    }

    /// Whether it has no `*`: it is then for paths of one length.
    pub(crate) fn has_fixed_length(&self) -> bool {
        !self.0.contains(&Segment::Many)
    }

    /// Whether it ends with `*`, which is for a slash at the end too.
    pub(crate) fn ends_with_many(&self) -> bool {
        self.0.last() == Some(&Segment::Many)
    }

    /// A path as it was asked for: every segment is what it is.
    pub(crate) fn exactly(path: &str) -> Self {
        Self(path.split('/').map(|segment| Segment::Text(segment.to_owned())).collect())
    }

    /// A path after these steps; where a slash at its end was left out, also with it.
    pub(crate) fn readings(path: &str, steps: Steps) -> impl Iterator<Item = Self> {
        let (segments, left_out) = steps.read(path);
        let reading = Self(segments.into_iter().map(Segment::Text).collect()).or_root();
        let with_slash = left_out.then(|| reading.slash());
        iter::once(reading).chain(with_slash)
    }

    /// The pattern for the paths that this is for, after these steps.
    pub(crate) fn read_alike(&self, steps: Steps) -> Self {
        let read = |segment: &Segment| match segment {
            Segment::Text(text) if !text.is_empty() => {
                steps.read(text).0.into_iter().map(Segment::Text).collect()
            }
            other => vec![other.clone()],
        };
        let mut segments: Vec<_> = self.0.iter().flat_map(read).collect();
        widen_beside_many(&mut segments);
        Self(segments).or_root()
    }

    /// Whether no combination of steps changes it.
    pub(crate) fn reads_as_written(&self) -> bool {
        self.0.iter().all(|segment| !matches!(segment, Segment::Text(text) if !reads_as_sent(text)))
    }

    fn or_root(self) -> Self {
        if self.0.is_empty() { Self(vec![Segment::Text(String::new())]) } else { self }
    }

    /// The same below an empty segment: `//admin` of `/admin`.
    pub(crate) fn below_empty(&self) -> Self {
        let empty = iter::once(Segment::Text(String::new()));
        Self(empty.chain(self.0.iter().cloned()).collect())
    }

    /// What a pattern with `*` at its end is below of: `/admin` of `/admin/*`.
    pub(crate) fn parent(&self) -> Option<Self> {
        match &*self.0 {
            [rest @ .., Segment::Many] if !rest.is_empty() => Some(Self(rest.to_vec())),
            _ => None,
        }
    }

    /// Whether every path of the other is one of this.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        align(&self.0, &other.0, |ours, others| {
            let many = *ours == Segment::Many;
            ours.covers(others).then_some((many, false))
        })
    }

    /// Whether there is a path of both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        align(&self.0, &other.0, |ours, others| {
            let both = ours.covers(others) || others.covers(ours);
            both.then_some((*ours == Segment::Many, *others == Segment::Many))
        })
    }

    /// Which of two is more specific, segment by segment: text before `{name}` before `*`, and a
    /// longer one before what it begins with.
    pub(crate) fn specificity(&self, other: &Self) -> Ordering {
        let rank = |path: &Self| path.0.iter().map(Segment::rank).chain([3]).collect::<Vec<_>>();
        rank(self).cmp(&rank(other))
    }

    /// As a policy's resource has it, which may be wider than the pattern itself: IAM's wildcards
    /// reach over slashes. [`Self::beyond`] is what it is wider by.
    pub(crate) fn glob(&self) -> String {
        let segments: Vec<&str> = self.0.iter().map(Segment::glob).collect();
        segments.join("/")
    }

    /// Patterns that together are what the glob covers and the pattern does not: a `{name}` that has
    /// become two segments or more.
    pub(crate) fn beyond(&self) -> impl Iterator<Item = Self> {
        let ones = self.0.iter().enumerate().filter(|(_, segment)| **segment == Segment::One);
        ones.map(|(at, _)| {
            let (before, rest) = self.0.split_at(at);
            let after = rest.iter().skip(1);
            let both = iter::repeat_n(&Segment::Many, 2);
            Self(before.iter().chain(both).chain(after).cloned().collect())
        })
    }

    /// Every path that the glob covers.
    pub(crate) fn wide(&self) -> Self {
        let widen = |segment: &Segment| match segment {
            Segment::One => Segment::Many,
            other => other.clone(),
        };
        Self(self.0.iter().map(widen).collect())
    }
}

impl Segment {
    fn glob(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::One => "?*",
            Self::Many => "*",
        }
    }
}

/// Whether two sequences can be laid side by side to their ends. `step` says whether two elements fit
/// each other, and which of them may go on to the other side's next.
fn align(
    ours: &[Segment],
    others: &[Segment],
    step: impl Fn(&Segment, &Segment) -> Option<(bool, bool)>,
) -> bool {
    // From the end: what is true of the rests, for each place in the other sequence.
    let mut below = vec![false; others.len()];
    below.push(true);
    for our in ours.iter().rev() {
        let mut row = vec![false; others.len() + 1];
        for (at, other) in others.iter().enumerate().rev() {
            let rest = |row: &[bool], at: usize| row.get(at).copied().unwrap_or(false);
            let fits = step(our, other).is_some_and(|(ours_again, others_again)| {
                rest(&below, at + 1)
                    || (ours_again && rest(&row, at + 1))
                    || (others_again && rest(&below, at))
            });
            if let Some(cell) = row.get_mut(at) {
                *cell = fits;
            }
        }
        below = row;
    }
    below.first().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> PathPattern {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_pattern_is_for() {
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
        for (pattern, asked, expected) in rows {
            let asked_path = PathPattern::exactly(asked);
            assert_eq!(path(pattern).covers(&asked_path), expected, "{pattern} {asked}");
            assert_eq!(path(pattern).overlaps(&asked_path), expected, "{pattern} {asked}");
        }
    }

    #[test]
    fn routes_as_an_api_has_them() {
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
        for (route, asked, expected) in rows {
            let route_pattern = PathPattern::of_api(route);
            let covers = route_pattern.covers(&PathPattern::exactly(asked));
            assert_eq!(covers, expected, "{route} {asked}");
        }
    }

    #[test]
    fn two_patterns() {
        // The first covers the second, the second the first, they overlap, which is more specific.
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
            let found = (a.covers(&b), b.covers(&a), a.overlaps(&b), a.specificity(&b));
            assert_eq!(found, (covers, covered, overlaps, specificity), "{one} {other}");
            assert_eq!(b.overlaps(&a), overlaps, "{other} {one}");
            assert_eq!(b.specificity(&a), specificity.reverse(), "{other} {one}");
        }
    }

    #[test]
    fn what_a_policy_makes_of_it() {
        let rows: [(&str, &str, &[&str]); 5] = [
            ("/", "", &[]),
            ("/a/*", "a/*", &[]),
            ("/a/{x}", "a/?*", &["a/*/*"]),
            ("/{x}/a/{y}", "?*/a/?*", &["*/*/a/?*", "?*/a/*/*"]),
            ("/{x}/*/a", "*/*/a", &[]),
        ];
        for (text, glob, beyond) in rows {
            let pattern = path(text);
            assert_eq!(pattern.glob(), glob);
            let found: Vec<_> = pattern.beyond().map(|beyond| beyond.glob()).collect();
            assert_eq!(found, beyond, "{text}");
        }
        assert_eq!(path("/a/{x}").wide(), path("/a/*"));
    }
}
