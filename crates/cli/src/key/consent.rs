//! The confirmation before a command changes keys.

use std::{
    error::Error,
    io::{self, BufRead, IsTerminal, Write},
};

use crate::{
    aws::Session,
    exit::UsageError,
    terminal::{self, escape},
};

/// The changes that the operator has confirmed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// None yet.
    Ask,
    /// This one, by its description.
    For(String),
    /// Every change (`--yes`).
    Given,
}

impl Consent {
    pub(super) fn new(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Ask }
    }

    pub(super) fn covers(&self, change: &str) -> bool {
        match self {
            Self::Ask => false,
            Self::For(confirmed) => confirmed == change,
            Self::Given => true,
        }
    }
}

/// Prints the principal that the command acts for. The account of `key_arn` is shown if STS is out of reach.
pub(super) async fn print_identity(session: &Session, key_arn: Option<&str>) -> io::Result<()> {
    let identity = session.identity(key_arn).await.to_string();
    writeln!(terminal::stderr(), "acting for {}", escape(&identity))
}

/// Checks that there is a terminal to ask on, before a command waits.
///
/// # Errors
/// If there is no terminal, and the changes are not confirmed.
pub(super) fn expect_terminal(consent: &Consent) -> Result<(), UsageError> {
    if *consent == Consent::Given || io::stdin().is_terminal() {
        return Ok(());
    }
    Err(UsageError("cannot ask for a confirmation without a terminal: use --yes".into()))
}

/// Asks the operator whether to make a change, given in the imperative.
///
/// # Errors
/// If there is no terminal to ask on.
pub(super) fn ask(change: &str) -> Result<bool, Box<dyn Error>> {
    if !io::stdin().is_terminal() {
        let problem = format!("cannot ask whether to {change} without a terminal: use --yes");
        return Err(UsageError(problem).into());
    }
    let mut err = terminal::stderr();
    write!(err, "{change}? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The operator declined the confirmation.
#[derive(Debug, thiserror::Error)]
#[error("the step was not performed: confirmation declined")]
pub(super) struct Declined;
