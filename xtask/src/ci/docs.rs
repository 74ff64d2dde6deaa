//! The documentation.

use std::fs;

use crate::{
    codes, docs,
    error::Error,
    file_map, links,
    workspace::{Workspace, announce},
};

/// The programs of this part.
pub(super) const TOOLS: [&str; 3] = ["dot", "git", "mdbook"];

pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let doc = workspace.command("cargo")?.args(["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings").run()?;
    announce("cargo xtask docs --check");
    docs::run(workspace, &docs::Arguments { check: true })?;
    build_book(workspace)?;
    announce("check the links of Markdown files");
    links::check(workspace)?;
    announce("check the files that the architecture page names");
    file_map::check(workspace)?;
    announce("check the codes of log lines on the observability page");
    codes::check(workspace)
}

/// Builds the book. mdBook ends with 0 if it only warns, such as about an included file that is missing.
fn build_book(workspace: &Workspace) -> Result<(), Error> {
    let log = workspace.path("target/mdbook.log");
    workspace.command("mdbook")?.args(["build", "docs"]).run_into(&log)?;
    let output = fs::read_to_string(&log).map_err(Error::file(&log))?;
    let problems = book_problems(&output);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::Check(format!("the book has problems\n{}", problems.join("\n"))))
}

/// The lines of mdBook's output that are warnings or errors.
fn book_problems(output: &str) -> Vec<&str> {
    let is_problem =
        |line: &&str| ["WARN", "ERROR"].iter().any(|level| line.trim_start().starts_with(level));
    output.lines().filter(is_problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_of_mdbook_are_problems() {
        let output = " INFO Book building has started\n\
            ERROR Error updating \"{{#include gone.md}}\", Could not read file\n \
            WARN potential incomplete link\n INFO HTML book written to `book` without ERROR\n";
        let expected = [
            "ERROR Error updating \"{{#include gone.md}}\", Could not read file",
            " WARN potential incomplete link",
        ];
        assert_eq!(book_problems(output), expected);
    }
}
