//! Edits the text of a list of revocations: adds an entry and removes expired ones.

use jwt::{UnixTime, json};
use policy::revocation::{MAX_REVOCATIONS, Revocation, RevocationsError, RevokedTokens};
use runtime::MAX_FILE_BYTES;
use serde_json::json;

use crate::configuration::{Checked, Content, Severity, check_list, elements, has_expired};

/// A new revocation.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) revocation: Revocation,
    /// The `sub` and the `iat` of the revoked token, if the entry revokes a single token.
    pub(crate) subject: Option<(String, Option<u64>)>,
    pub(crate) reason: Option<String>,
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
    if kept.iter().any(|(_, revocation)| entry.is_revoked_by(revocation)) {
        return Ok(Change::AlreadyRevoked);
    }
    let removed = before - kept.len();
    if kept.len() >= MAX_REVOCATIONS {
        return Err(ChangeError::TooMany(RevocationsError::TooMany(kept.len() + 1)));
    }
    let lines = kept.iter().map(|(element, _)| one_line(element.text)).chain([entry.to_json()]);
    let lines: Vec<_> = lines.map(|line| format!("  {line}")).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(ChangeError::TooLong);
    }
    reject_problems(&check_list(Content::Revocations, &text, now))?;
    Ok(Change::Added { text, removed })
}

impl NewEntry {
    /// Whether this entry revokes all that the new one would.
    fn is_revoked_by(&self, entry: &Revocation) -> bool {
        if entry.issuer != self.revocation.issuer {
            return false;
        }
        match (&entry.tokens, &self.revocation.tokens) {
            (RevokedTokens::Id(id), RevokedTokens::Id(new)) => id == new,
            (
                RevokedTokens::OfSubject { subject, issued_before },
                RevokedTokens::OfSubject { subject: new, issued_before: until },
            ) => subject == new && issued_before >= until,
            (RevokedTokens::OfSubject { subject, issued_before }, RevokedTokens::Id(_)) => {
                self.subject.as_ref().is_some_and(|(own, issued_at)| {
                    own == subject && issued_at.is_none_or(|at| at < issued_before.seconds())
                })
            }
            (RevokedTokens::Id(_), RevokedTokens::OfSubject { .. }) => false,
        }
    }

    fn to_json(&self) -> String {
        let Revocation { issuer, tokens, expires } = &self.revocation;
        let mut members = vec![("iss", json!(issuer))];
        match tokens {
            RevokedTokens::Id(id) => members.push(("jti", json!(id))),
            RevokedTokens::OfSubject { subject, issued_before } => {
                let issued_before = json!(issued_before.seconds());
                members.extend([("sub", json!(subject)), ("issued_before", issued_before)]);
            }
        }
        members.extend(expires.map(|time| ("exp", json!(time.seconds()))));
        members.extend(self.reason.as_ref().map(|reason| ("reason", json!(reason))));
        let members: Vec<_> =
            members.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", members.join(", "))
    }
}

/// Refuses a list that a function would refuse, so that no entry is lost.
fn reject_problems(checked: &Checked) -> Result<(), ChangeError> {
    let mut problems =
        checked.problems.iter().filter(|(_, severity, _)| *severity == Severity::Error);
    let Some((position, _, problem)) = problems.next() else { return Ok(()) };
    Err(ChangeError::Invalid {
        line: position.line,
        column: position.column,
        problem: problem.clone(),
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
