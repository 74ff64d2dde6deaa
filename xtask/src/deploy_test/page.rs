//! The page of the book with the table.

use std::fs;

use super::table::Table;
use crate::{error::Error, workspace::Workspace};

const PAGE: &str = "docs/src/development/deployments.md";

const INTRODUCTION: &str = "\
# Deployments

`cargo xtask deploy-test` deploys the packages of `sam build` to an emulator of AWS and prints these tables.
[Testing](testing.md#deployments) describes the emulator, and what it does not evaluate (`–`). CI compares its tables with
this page. `cargo xtask deploy-test --write` writes it.

- Keys are named in their order: `A` is the first key of a stack, `B` the next one. `A B A` are the current, the next and
  the previous key of the ring.
- `sam deploy` is `done`, or what was found is the error.
";

/// Writes the page.
pub(super) fn write(workspace: &Workspace, table: &Table) -> Result<(), Error> {
    let path = workspace.path(PAGE);
    fs::write(&path, text(table)?).map_err(Error::file(&path))
}

/// Fails if the page has another table.
pub(super) fn compare(workspace: &Workspace, table: &Table) -> Result<(), Error> {
    let path = workspace.path(PAGE);
    if fs::read_to_string(&path).map_err(Error::file(&path))? == text(table)? {
        return Ok(());
    }
    Err(Error::Check(format!("{PAGE} has another table: run cargo xtask deploy-test --write")))
}

fn text(table: &Table) -> Result<String, Error> {
    Ok(format!("{INTRODUCTION}{}", table.text()?))
}
