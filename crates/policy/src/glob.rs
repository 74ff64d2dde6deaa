use std::slice;

use serde::Deserialize;

/// One pattern, or several of which one must fit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Patterns {
    One(String),
    Several(Vec<String>),
}

impl Patterns {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => slice::from_ref(one),
            Self::Several(several) => several,
        }
    }

    pub(crate) fn fit(&self, text: &str) -> bool {
        self.as_slice().iter().any(|pattern| fits(pattern, text))
    }
}

impl Default for Patterns {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

/// Whether a text is what a pattern says, in which `*` stands for any run of characters.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The first place of each part leaves the most room for those after it.
    let middle = parts.try_fold(rest, |rest, part| {
        let at = rest.find(part)?;
        rest.get(at + part.len()..)
    });
    middle.is_some_and(|rest| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
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
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
