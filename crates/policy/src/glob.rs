//! Patterns with `*` in issuance policies.

use std::slice;

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

/// Whether the pattern matches the whole text. `*` matches any run of characters, also none.
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
}
