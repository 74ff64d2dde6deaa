//! Edits the text of a list of revocations: adds an entry and removes expired ones.

use jwt::{UnixTime, json};
use policy::revocation::{MAX_REVOCATIONS, Revocation, Revocations, RevocationsError};
use runtime::MAX_FILE_BYTES;
use serde_json::{Map, Value};

use crate::configuration::{Content, ListReport, Severity, check_list, elements, has_expired};

/// A new revocation.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) revocation: Revocation,
    /// The claims of the revoked token. `None`: the options describe the tokens.
    pub(crate) claims: Option<Map<String, Value>>,
}

/// The change of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The new text, and the number of expired entries that were removed.
    Added { text: String, removed: usize },
    /// An entry revokes the tokens already.
    AlreadyRevoked,
}

/// Why a list cannot be changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The list is not valid: the place and the text of its first problem, and how many more there are.
    #[error("{line}:{column}: {problem}{}", others(*.more))]
    Invalid { line: usize, column: usize, problem: String, more: usize },
    /// The new list would be too long.
    #[error(" {0}")]
    TooMany(RevocationsError),
    /// The new text would be too long.
    #[error(" would have more than {MAX_FILE_BYTES} bytes: remove revocations or shorten reasons")]
    TooLong,
}

/// Adds an entry, and removes those that are no longer needed. The other entries keep their order and, if they are on one
/// line, their text.
pub(crate) fn add(text: &str, entry: &NewEntry, now: UnixTime) -> Result<Change, ChangeError> {
    reject_problems(&check_list(Content::Revocations, text, now))?;
    let entries = elements(text).unwrap_or_default();
    let revocations = Revocation::read_all(text).unwrap_or_default();
    let before = entries.len();
    let kept: Vec<_> = entries
        .into_iter()
        .zip(revocations)
        .filter(|(_, revocation)| !has_expired(revocation, now))
        .collect();
    if entry.is_revoked_by(kept.iter().map(|(_, revocation)| revocation)) {
        return Ok(Change::AlreadyRevoked);
    }
    let removed = before - kept.len();
    if kept.len() >= MAX_REVOCATIONS {
        return Err(ChangeError::TooMany(RevocationsError::TooMany(kept.len() + 1)));
    }
    let kept = kept.iter().map(|(element, _)| one_line(element.text));
    let lines = kept.chain([entry.revocation.to_json()]);
    let lines: Vec<_> = lines.map(|line| format!("  {line}")).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(ChangeError::TooLong);
    }
    reject_problems(&check_list(Content::Revocations, &text, now))?;
    Ok(Change::Added { text, removed })
}

impl NewEntry {
    /// Whether these entries revoke all that the new one would.
    fn is_revoked_by<'a>(&self, mut entries: impl Iterator<Item = &'a Revocation>) -> bool {
        match &self.claims {
            Some(claims) => entries.cloned().collect::<Revocations>().contains_members(claims),
            None => entries.any(|entry| entry.covers(&self.revocation)),
        }
    }
}

/// Refuses a list that a function would refuse, so that no entry is lost.
fn reject_problems(checked: &ListReport) -> Result<(), ChangeError> {
    let mut problems = checked.problems.iter().filter(|it| it.severity == Severity::Error);
    let Some(first) = problems.next() else { return Ok(()) };
    Err(ChangeError::Invalid {
        line: first.position.line,
        column: first.position.column,
        problem: first.text.clone(),
        more: problems.count(),
    })
}

fn others(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more: run `countersign check`)") }
}

/// The JSON of an entry on one line.
fn one_line(json: &str) -> String {
    if !json.contains('\n') {
        return json.to_owned();
    }
    let mut line = String::with_capacity(json.len());
    for token in json::tokens(json) {
        line.push_str(token);
        if matches!(token, ":" | ",") {
            line.push(' ');
        }
    }
    line
}

#[cfg(test)]
mod tests;
