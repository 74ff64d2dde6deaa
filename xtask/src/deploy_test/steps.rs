//! Rows that several tests have.

use super::{stack::Stack, table::Table, token::Token};
use crate::error::Error;

/// A token with its letter in the table.
pub(super) type Issued = (char, Option<Token>);

/// `done`, or the reason of the failure, for a row of the table.
pub(super) fn outcome<T>(deployed: &Result<T, String>) -> &str {
    deployed.as_ref().map_or_else(String::as_str, |_| "done")
}

/// Requests a token, which this key has to sign.
pub(super) fn issued(
    table: &mut Table,
    stack: &Stack<'_>,
    what: &str,
    key: char,
) -> Result<Issued, Error> {
    let (token, found) = stack.token_by(&key.to_string())?;
    table.check(what, key, found);
    Ok((key, token))
}

/// Sends a token.
pub(super) fn accepted(
    table: &mut Table,
    stack: &Stack<'_>,
    what: &str,
    (key, token): &Issued,
    status: u16,
) -> Result<(), Error> {
    let found = match token {
        Some(token) => stack.status_by(status, token)?,
        None => "no token".into(),
    };
    table.check(format!("{what} ({key}): GET /whoami"), status, found);
    Ok(())
}

/// The key set.
pub(super) fn published(table: &mut Table, stack: &Stack<'_>, keys: &str) -> Result<(), Error> {
    table.check("keys in the key set", keys, stack.published_by(keys)?);
    Ok(())
}

/// A step of the rotation.
pub(super) fn step(
    table: &mut Table,
    stack: &Stack<'_>,
    step: &str,
    ring: &str,
) -> Result<(), Error> {
    table.check("a run of the rotator", step, stack.rotate()?);
    table.check(format!("the ring after {step}"), ring, stack.ring()?);
    Ok(())
}

/// The states of keys.
pub(super) fn keys(
    table: &mut Table,
    stack: &Stack<'_>,
    states: &[(char, &str)],
) -> Result<(), Error> {
    for (key, state) in states {
        table.check(format!("key {key}"), state, stack.key(*key)?.0);
    }
    Ok(())
}
