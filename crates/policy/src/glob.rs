//! Patterns with `*` in issuance policies.

use std::{iter, slice};

use serde::Deserialize;

/// One pattern or a list of patterns, as a rule has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub(crate) enum Patterns {
    One(String),
    List(Vec<String>),
}

impl Patterns {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => slice::from_ref(one),
            Self::List(patterns) => patterns,
        }
    }

    /// Whether one of the patterns matches the text.
    pub(crate) fn match_text(&self, text: &str) -> bool {
        self.as_slice().iter().any(|pattern| glob_matches(pattern, text))
    }
}

impl Default for Patterns {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// Whether the pattern matches the whole text. `*` matches any run of characters, including an empty one.
pub(crate) fn glob_matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The first occurrence of each part leaves the most text for the parts after it.
    let middle = parts.try_fold(rest, |rest, part| {
        let start = rest.find(part)?;
        rest.get(start + part.len()..)
    });
    middle.is_some_and(|rest| rest.ends_with(last))
}

/// Whether some text matches both patterns.
pub(crate) fn globs_overlap(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // `row[at]`: whether the characters of `one` so far overlap the first `at` characters of `other`.
    let stars = other.iter().map(|c| *c == '*');
    let mut row: Vec<bool> = iter::once(true)
        .chain(stars.scan(true, |all, is_star| {
            *all &= is_star;
            Some(*all)
        }))
        .collect();
    for c in one {
        let mut next = Vec::with_capacity(row.len());
        next.push(c == '*' && row.first() == Some(&true));
        for ((with_rest, before), d) in row.iter().skip(1).zip(&row).zip(&other) {
            // A star either matches nothing here, or takes one more character of the other pattern.
            let without = next.last() == Some(&true);
            next.push(match (c, *d) {
                ('*', _) | (_, '*') => *with_rest || without,
                (c, d) => c == d && *before,
            });
        }
        row = next;
    }
    row.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_matches_any_run_of_characters() {
        let rows = [
            ("", "", true),
            ("*", "", true),
            ("*", "a/b", true),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*bb*c", "abc", false),
            ("*b", "abb", true),
            ("*bb*bb", "xbbbb", true),
            ("*bb*bb", "xbbb", false),
            ("abc", "ab", false),
            ("ab", "abc", false),
            ("**", "x", true),
            ("a*é*", "aé", true),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(glob_matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_overlap_if_a_text_matches_both() {
        let rows = [
            ("", "", true),
            ("", "*", true),
            ("a", "", false),
            ("a", "a", true),
            ("a", "b", false),
            ("*", "*", true),
            ("repo:*", "project_path:*", false),
            ("repo:*", "*", true),
            ("repo:*", "*:main", true),
            ("repo:*", "rep*", true),
            ("a*c", "ab", false),
            ("a*c", "abc", true),
            ("a*c", "*b", false),
            ("a*b*c", "*x*c", true),
            ("**", "a", true),
            ("ab", "a", false),
            ("a*", "a", true),
            ("é*", "éa", true),
        ];
        for (one, other, expected) in rows {
            assert_eq!(globs_overlap(one, other), expected, "{one} {other}");
            assert_eq!(globs_overlap(other, one), expected, "{other} {one}");
        }
    }
}
