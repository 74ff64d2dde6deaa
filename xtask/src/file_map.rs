//! Checks the tables of the architecture page: that their files exist, and that their rows are in alphabetical order.

use std::{fs, path::Path};

use crate::{error::Error, workspace::Workspace};

const PAGE: &str = "docs/src/development/architecture.md";

/// The folders below which a path of the page is.
const FOLDERS: [&str; 2] = ["", "crates"];

/// The heading above the tables whose rows are in alphabetical order.
const SORTED: &str = "## Where to change what";

/// Checks every path that a table of the page names, and the order of the rows.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Error> {
    let file = workspace.path(PAGE);
    let page = fs::read_to_string(&file).map_err(Error::file(&file))?;
    let missing = missing(&page, &|path| workspace.path(path).exists());
    if !missing.is_empty() {
        let missing = missing.join("\n");
        return Err(Error::Check(format!("{PAGE} names files that do not exist\n{missing}")));
    }
    let misplaced = misplaced(&page);
    if !misplaced.is_empty() {
        let misplaced = misplaced.join("\n");
        return Err(Error::Check(format!("{PAGE} has rows that belong further up\n{misplaced}")));
    }
    Ok(())
}

/// The rows that are not in alphabetical order, by the words of their first cells.
fn misplaced(page: &str) -> Vec<String> {
    let words = |row: &str| {
        let cell = row.split('|').nth(1).unwrap_or_default().to_lowercase();
        let cell: String =
            cell.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').collect();
        cell.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut lines = page.lines().skip_while(|line| *line != SORTED).peekable();
    if lines.peek().is_none() {
        return vec![format!("all, because there is no heading `{SORTED}`")];
    }
    let (mut misplaced, mut last) = (Vec::new(), Vec::new());
    for line in lines {
        if !line.starts_with('|') || line.starts_with("|---") {
            last = Vec::new();
            continue;
        }
        let words = words(line);
        if words < last {
            misplaced.push(words.join(" "));
        }
        last = words;
    }
    misplaced
}

/// The paths that do not exist, each with its line.
fn missing(page: &str, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let is_missing =
        |name: &str| !FOLDERS.iter().any(|folder| exists(&Path::new(folder).join(name)));
    let rows = page.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    let missing = rows.flat_map(|(at, row)| {
        let names = row.split('`').skip(1).step_by(2).filter(|text| is_path(text));
        names.filter(|name| is_missing(name)).map(move |name| format!("line {}: {name}", at + 1))
    });
    missing.collect()
}

/// Whether a text in a code span is the path of a file or of a folder. Routes begin with a slash.
fn is_path(text: &str) -> bool {
    let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let extension = Path::new(text).extension().and_then(|extension| extension.to_str());
    let is_file = extension.is_some_and(|extension| EXTENSIONS.contains(&extension));
    is_name && !text.starts_with('/') && (is_file || text.contains('/'))
}

const EXTENSIONS: [&str; 7] = ["dot", "json", "md", "rs", "toml", "txt", "yaml"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_in_order() {
        check(&Workspace::find().unwrap()).unwrap();
    }

    #[test]
    fn rows_that_are_not_in_alphabetical_order_are_named() {
        let table = |rows: &str| format!("| z |\n\n{SORTED}\n\n| to change |\n|---|\n{rows}");
        let sorted = table("| a: `b` |\n| a, c |\n| `A` of d |\n");
        assert_eq!(misplaced(&sorted), [""; 0]);
        let unsorted = table("| a: c |\n| a, b |\n| b |\n");
        assert_eq!(misplaced(&unsorted), ["a b"]);
        assert_eq!(misplaced("| b |\n| a |\n").len(), 1, "the heading is missing");
    }

    #[test]
    fn missing_files_are_named_with_their_lines() {
        let existing = ["template.yaml", "crates/jwt/src", "crates/jwt/src/time.rs", "bench"];
        let exists = |path: &Path| existing.iter().any(|known| path == Path::new(known));
        let rows = [
            ("a file below the root", "| x | `template.yaml` |", None),
            ("a file below crates", "| x | `jwt/src/time.rs` |", None),
            ("a missing file", "| x | `jwt/src/other.rs` |", Some("other.rs")),
            (
                "a file without its folder",
                "| x | `jwt/src/time.rs`, `time.rs` |",
                Some(": time.rs"),
            ),
            ("a moved file", "| x | `kms/src/time.rs` |", Some("kms/src/time.rs")),
            (
                "code, a route and a type",
                "| `cargo xtask docs` | `/token`, `Candidate::confirm` |",
                None,
            ),
            ("text", "`kms/src/time.rs`", None),
        ];
        for (name, row, expected) in rows {
            let missing = missing(row, &exists);
            let is_expected = match expected {
                Some(path) => missing.first().is_some_and(|first| first.ends_with(path)),
                None => missing.is_empty(),
            };
            assert!(is_expected, "{name}: {missing:?}");
        }
    }
}
