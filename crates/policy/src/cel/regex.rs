//! The function `matches` of expressions: regular expressions that are compiled at the start, and their cost.

use std::{
    collections::HashMap,
    sync::{LazyLock, RwLock},
};

use cel::{
    ExecutionError,
    common::types::{CelBool, CelString},
};
use regex_lite::{Regex, RegexBuilder};

/// The maximum cost of matching a pattern, in instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatchCost {
    /// For each match.
    pub(crate) fixed: u64,
    /// For each byte of the text.
    pub(crate) per_byte: u64,
}

/// Why the pattern of `matches` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegexError {
    /// It is not a regular expression, or compiles to one that is too large.
    #[error(
        "invalid or too large regular expression `{0}`, use RE2 syntax without Unicode classes"
    )]
    Unsupported(String),
}

/// Compiles a pattern of a rule for [`matches()`].
pub(crate) fn compile(pattern: &str) -> Result<(), RegexError> {
    if cost(pattern).is_none() {
        let (regex, bytes) = compile_within_smallest_limit(pattern)
            .map_err(|_| RegexError::Unsupported(pattern.to_owned()))?;
        let cost = estimate(pattern, bytes);
        if let Ok(mut compiled) = COMPILED.write() {
            compiled.insert(pattern.to_owned(), (regex, cost));
        }
    }
    Ok(())
}

/// The cost of matching a compiled pattern. `None`: the pattern was not compiled.
pub(crate) fn cost(pattern: &str) -> Option<MatchCost> {
    COMPILED.read().ok()?.get(pattern).map(|(_, cost)| *cost)
}

/// The function `matches` of expressions. A pattern that is not in a rule is an error. It is never compiled for a
/// request, because compiling costs more than most requests.
pub(crate) fn matches(
    text: &CelString<'_>,
    pattern: &CelString<'_>,
) -> Result<CelBool, ExecutionError> {
    let unknown_pattern =
        || ExecutionError::function_error("matches", "the pattern is not in a rule");
    let compiled = COMPILED.read().map_err(|_| unknown_pattern())?;
    let (regex, _) = compiled.get(pattern.inner()).ok_or_else(unknown_pattern)?;
    Ok(CelBool::from(regex.is_match(text.inner())))
}

/// The compiled pattern and the smallest size limit, in bytes, that it compiles within. `regex-lite` does not report the
/// size of a compiled pattern.
fn compile_within_smallest_limit(pattern: &str) -> Result<(Regex, usize), regex_lite::Error> {
    let build = |limit| RegexBuilder::new(pattern).size_limit(limit).build();
    let mut limit = MIN_SIZE_LIMIT;
    loop {
        match build(limit) {
            Ok(regex) => return Ok((regex, limit)),
            Err(error) if limit >= MAX_SIZE_LIMIT => return Err(error),
            Err(_) => limit *= 2,
        }
    }
}

/// The cost of a pattern whose compiled form takes this number of bytes.
fn estimate(pattern: &str, bytes: usize) -> MatchCost {
    let (is_anchored, rest) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let literal = literal_chars(rest.strip_suffix('$').unwrap_or(rest));
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    match literal {
        // The search ends at the first character that differs.
        Some(chars) if is_anchored => {
            MatchCost { fixed: FIXED.saturating_add(number(chars) * PER_LITERAL), per_byte: 0 }
        }
        Some(chars) => MatchCost { fixed: FIXED, per_byte: (number(chars) + 2) * PER_LITERAL },
        None => MatchCost { fixed: FIXED, per_byte: number(bytes) * PER_STATE_BYTE },
    }
}

/// The number of characters of a pattern without operators. `None`: it has operators.
fn literal_chars(pattern: &str) -> Option<usize> {
    let (mut count, mut chars) = (0, pattern.chars());
    while let Some(char) = chars.next() {
        let is_literal = match char {
            '\\' => chars.next().is_some_and(|escaped| escaped.is_ascii_punctuation()),
            _ => !r".+*?()|[]{}^$".contains(char),
        };
        if !is_literal {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// The compiled patterns of the rules by their texts. It is global, as a function of a CEL environment has no state.
static COMPILED: LazyLock<RwLock<HashMap<String, (Regex, MatchCost)>>> =
    LazyLock::new(RwLock::default);

/// The first limit for the size of a compiled pattern, in bytes. It is doubled until the pattern fits.
const MIN_SIZE_LIMIT: usize = 256;
/// The largest compiled pattern, in bytes.
const MAX_SIZE_LIMIT: usize = 64 * 1024;
/// Instructions of a match, whatever the text.
const FIXED: u64 = 4000;
/// Instructions for each byte of the compiled pattern and each byte of the text: every state of the pattern can be
/// visited for each character.
const PER_STATE_BYTE: u64 = 6;
/// Instructions for each character of a literal pattern.
const PER_LITERAL: u64 = 260;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_that_is_not_in_a_rule_is_an_error() {
        assert!(matches(&"ab".into(), &"never compiled".into()).is_err());
        assert_eq!(compile("^a[b]"), Ok(()));
        for (text, expected) in [("ab", true), ("ba", false)] {
            let found = matches(&text.into(), &"^a[b]".into());
            assert_eq!(found.map(|found| *found.inner()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn cost_of_a_pattern_depends_on_its_states_unless_it_is_literal() {
        let rows = [
            ("^team-", 0),
            ("^a\\.b$", 0),
            ("^$", 0),
            ("team-", 1820),
            ("^[a-z]+$", 1536),
            ("^a|b", 3072),
            ("^\\d", 1536),
            ("(a?){20}b", 24_576),
        ];
        for (pattern, per_byte) in rows {
            assert_eq!(compile(pattern), Ok(()), "{pattern}");
            assert_eq!(cost(pattern).map(|cost| cost.per_byte), Some(per_byte), "{pattern}");
        }
    }
}
