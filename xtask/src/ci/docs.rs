//! The documentation.

use crate::{
    codes, docs,
    error::Error,
    file_map, links,
    workspace::{Workspace, announce},
};

/// The configuration of the book.
const BOOK: &str = "docs/book.toml";

/// The programs of this part. Without a configuration, mdBook is not run.
pub(super) fn tools(workspace: &Workspace) -> Vec<&'static str> {
    let book = workspace.path(BOOK).is_file().then_some("mdbook");
    ["dot", "git"].into_iter().chain(book).collect()
}

pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let doc = workspace.command("cargo")?.args(["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings").run()?;
    announce("cargo xtask docs --check");
    docs::run(workspace, &docs::Arguments { check: true })?;
    if workspace.path(BOOK).is_file() {
        workspace.command("mdbook")?.args(["build", "docs"]).run()?;
    }
    announce("check the links of Markdown files");
    links::check(workspace)?;
    announce("check the files that the architecture page names");
    file_map::check(workspace)?;
    announce("check the codes of log lines on the observability page");
    codes::check(workspace)
}
