//! Checks that the files in the tables of the architecture page exist.

use std::{fs, path::Path};

use crate::{error::Error, workspace::Workspace};

const PAGE: &str = "docs/src/development/architecture.md";

/// The folders below which a path of the page is.
const FOLDERS: [&str; 2] = ["", "crates"];

/// Checks every path that a table of the page names.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Error> {
    let file = workspace.path(PAGE);
    let page = fs::read_to_string(&file).map_err(Error::file(&file))?;
    let missing = missing(&page, &|path| workspace.path(path).exists());
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Check(format!("{PAGE} names files that do not exist\n{}", missing.join("\n"))))
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
    fn files_of_the_page_exist() {
        check(&Workspace::find().unwrap()).unwrap();
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
