//! The documentation.

use crate::{
    docs,
    error::Error,
    links,
    workspace::{Workspace, announce},
};

/// The configuration of the book.
pub(super) const BOOK: &str = "docs/book.toml";

pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let doc = workspace.command("cargo")?.args(["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings").run()?;
    announce("cargo xtask docs --check");
    docs::run(workspace, &docs::Arguments { check: true })?;
    if workspace.path(BOOK).is_file() {
        workspace.command("mdbook")?.args(["build", "docs"]).run()?;
    }
    announce("check the links of Markdown files");
    links::check(workspace)
}
