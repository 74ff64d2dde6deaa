//! The table of the page on identity providers, from the pages of the providers.

use std::fs;

use crate::{error::Error, workspace::Workspace};

/// The page with the table, below the folder of the book.
pub(crate) const PAGE: &str = "providers.md";

const HEAD: &str = "| provider | example | what identifies the caller |\n|---|---|---|\n";
/// The beginning of the comment below the heading of an example, which has the other cells of its row.
const COMMENT: &str = "<!-- example: ";

/// The text of the page, with the pages of the providers in the order of the book's contents.
pub(crate) fn text(workspace: &Workspace) -> Result<String, Error> {
    let read = |name: &str| {
        let file = workspace.path("docs/src").join(name);
        fs::read_to_string(&file).map_err(Error::file(&file))
    };
    let (contents, page) = (read("SUMMARY.md")?, read(PAGE)?);
    let names = contents.split(['(', ')']).filter(|link| link.starts_with("providers/"));
    let mut table = HEAD.to_owned();
    for name in names {
        let rows = rows(name, &read(name)?);
        if rows.is_empty() {
            return Err(Error::Check(format!("docs/src/{name} has no line `{COMMENT}… | … -->`")));
        }
        table.push_str(&rows);
    }
    let Some((before, rest)) = page.split_once(HEAD) else {
        return Err(Error::Check(format!("docs/src/{PAGE} has no table of providers")));
    };
    let after = rest.split_inclusive('\n').skip_while(|line| line.starts_with('|'));
    Ok(format!("{before}{table}{}", after.collect::<String>()))
}

/// A row for each example of a page: the page, or the part of it below a heading of the second level.
fn rows(name: &str, page: &str) -> String {
    let (mut title, mut link, mut rows) = ("", String::new(), String::new());
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("# ") {
            (title, link) = (heading, format!("[{heading}]({name})"));
        } else if let Some(heading) = line.strip_prefix("## ") {
            let heading = heading.to_lowercase();
            link = format!("[{title}, {heading}]({name}#{})", heading.replace(' ', "-"));
        } else if let Some(cells) = line.strip_prefix(COMMENT) {
            let cells = cells.trim_end_matches(" -->");
            rows.extend(["| ", &link, " | ", cells, " |\n"]);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_example_of_a_page_is_a_row() {
        let page = "# A\n\n<!-- example: `a` | `sub` -->\n\n## Some users\n\n<!-- example: `b` | a role -->\n";
        let expected = "| [A](providers/a.md) | `a` | `sub` |\n\
                        | [A, some users](providers/a.md#some-users) | `b` | a role |\n";
        assert_eq!(rows("providers/a.md", page), expected);
        assert_eq!(rows("providers/a.md", "# A\n"), "");
    }

    #[test]
    fn page_has_a_row_for_each_example() {
        let workspace = Workspace::find().unwrap();
        let page = fs::read_to_string(workspace.path("docs/src").join(PAGE)).unwrap();
        assert_eq!(text(&workspace).unwrap(), page);
    }
}
