use std::{
    collections::HashMap,
    sync::{LazyLock, RwLock},
};

use cel::{
    ExecutionError,
    common::types::{CelBool, CelString},
};
use regex_lite::{Regex, RegexBuilder};

/// What matching a pattern costs at most, in instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatchCost {
    /// For each match, whatever the text.
    pub(crate) fixed: u64,
    /// For each byte of the text.
    pub(crate) per_byte: u64,
}

/// Compiles a pattern of a rule, for [`matches`] to find.
pub(crate) fn compile(pattern: &str) -> Result<(), regex_lite::Error> {
    if cost(pattern).is_none() {
        let (regex, bytes) = smallest(pattern)?;
        let cost = estimate(pattern, bytes);
        if let Ok(mut compiled) = COMPILED.write() {
            compiled.insert(pattern.to_owned(), (regex, cost));
        }
    }
    Ok(())
}

/// What matching a compiled pattern costs.
pub(crate) fn cost(pattern: &str) -> Option<MatchCost> {
    COMPILED.read().ok()?.get(pattern).map(|(_, cost)| *cost)
}

/// The function `matches` of expressions. A pattern that no rule has is an error, and never compiled:
/// compiling costs more than most requests.
pub(crate) fn matches(
    text: &CelString<'_>,
    pattern: &CelString<'_>,
) -> Result<CelBool, ExecutionError> {
    let unknown = || ExecutionError::function_error("matches", "the pattern is not in a rule");
    let compiled = COMPILED.read().map_err(|_| unknown())?;
    let (regex, _) = compiled.get(pattern.inner()).ok_or_else(unknown)?;
    Ok(CelBool::from(regex.is_match(text.inner())))
}

/// The pattern and the least of the limits that it can be compiled within: the crate does not say
/// how large a compiled pattern is.
fn smallest(pattern: &str) -> Result<(Regex, usize), regex_lite::Error> {
    let within = |limit| RegexBuilder::new(pattern).size_limit(limit).build();
    let mut limit = LEAST_BYTES;
    loop {
        match within(limit) {
            Ok(regex) => return Ok((regex, limit)),
            Err(error) if limit >= MOST_BYTES => return Err(error),
            Err(_) => limit *= 2,
        }
    }
}

fn estimate(pattern: &str, bytes: usize) -> MatchCost {
    let (start, rest) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let literal = literal_chars(rest.strip_suffix('$').unwrap_or(rest));
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    match literal {
        // The search ends at the first character that differs.
        Some(chars) if start => {
            MatchCost { fixed: FIXED.saturating_add(number(chars) * PER_LITERAL), per_byte: 0 }
        }
        Some(chars) => MatchCost { fixed: FIXED, per_byte: (number(chars) + 2) * PER_LITERAL },
        None => MatchCost { fixed: FIXED, per_byte: number(bytes) * PER_STATE_BYTE },
    }
}

/// How many characters the pattern has if it means nothing but itself.
fn literal_chars(pattern: &str) -> Option<usize> {
    let (mut count, mut chars) = (0, pattern.chars());
    while let Some(char) = chars.next() {
        let literal = match char {
            '\\' => chars.next().is_some_and(|escaped| escaped.is_ascii_punctuation()),
            _ => !r".+*?()|[]{}^$".contains(char),
        };
        if !literal {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// The patterns of the rules by their text. Functions of an environment have no state of their own.
static COMPILED: LazyLock<RwLock<HashMap<String, (Regex, MatchCost)>>> =
    LazyLock::new(RwLock::default);

const LEAST_BYTES: usize = 256;
const MOST_BYTES: usize = 64 * 1024;
const FIXED: u64 = 4000;
/// Every state of the compiled pattern may be visited for each character.
const PER_STATE_BYTE: u64 = 6;
const PER_LITERAL: u64 = 260;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_that_no_rule_has_is_an_error() {
        assert!(matches(&"ab".into(), &"never compiled".into()).is_err());
        assert_eq!(compile("^a[b]"), Ok(()));
        for (text, expected) in [("ab", true), ("ba", false)] {
            let found = matches(&text.into(), &"^a[b]".into());
            assert_eq!(found.map(|found| *found.inner()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_pattern_costs_by_its_states_unless_it_is_literal() {
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
