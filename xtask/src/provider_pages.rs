//! The line of each identity provider in the contents of the book, and its rows in the table of providers.

use std::fs;

use crate::{error::Error, workspace::Workspace};

/// The contents and the page with the table, below the folder of the book.
const CONTENTS: &str = "SUMMARY.md";
const PAGE: &str = "providers.md";

const HEAD: &str = "| provider | example | what identifies the caller |\n|---|---|---|\n";
/// The beginning of the comment below the heading of an example, which has the other cells of its row.
const COMMENT: &str = "<!-- example: ";

/// The page of a provider.
struct ProviderPage {
    title: String,
    /// The path below the folder of the book.
    path: String,
    text: String,
}

/// The names and texts of the two files that have something of each provider, in the alphabetical order of their titles.
pub(crate) fn files(workspace: &Workspace) -> Result<[(&'static str, String); 2], Error> {
    let read = |name: &str| {
        let file = workspace.path("docs/src").join(name);
        fs::read_to_string(&file).map_err(Error::file(&file))
    };
    let folder = workspace.path("docs/src/providers");
    let mut pages = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Error::file(&folder))? {
        let name = entry.map_err(Error::file(&folder))?.file_name();
        let path = format!("providers/{}", name.display());
        let text = read(&path)?;
        let title = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
        pages.push(ProviderPage { title: title.to_owned(), path, text });
    }
    pages.sort_by(|one, other| one.title.cmp(&other.title));
    Ok([(CONTENTS, contents(&read(CONTENTS)?, &pages)?), (PAGE, table(&read(PAGE)?, &pages)?)])
}

/// The contents with a line for each page, below that of the table.
fn contents(text: &str, pages: &[ProviderPage]) -> Result<String, Error> {
    let lines = text.split_inclusive('\n').filter(|line| !line.contains("](providers/"));
    let mut contents = String::new();
    let mut has_page = false;
    for line in lines {
        contents.push_str(line);
        if line.contains(&format!("]({PAGE})")) {
            has_page = true;
            let indent = line.len() - line.trim_start().len();
            for ProviderPage { title, path, .. } in pages {
                contents.extend([&*" ".repeat(indent + 2), "- [", title, "](", path, ")\n"]);
            }
        }
    }
    if has_page {
        Ok(contents)
    } else {
        Err(Error::Check(format!("docs/src/{CONTENTS} has no line with {PAGE}")))
    }
}

/// The page with a table of all examples.
fn table(text: &str, pages: &[ProviderPage]) -> Result<String, Error> {
    let mut table = HEAD.to_owned();
    for page in pages {
        let rows = rows(page);
        if rows.is_empty() {
            let path = &page.path;
            return Err(Error::Check(format!("docs/src/{path} has no line `{COMMENT}… | … -->`")));
        }
        table.push_str(&rows);
    }
    let Some((before, rest)) = text.split_once(HEAD) else {
        return Err(Error::Check(format!("docs/src/{PAGE} has no table of providers")));
    };
    let after = rest.split_inclusive('\n').skip_while(|line| line.starts_with('|'));
    Ok(format!("{before}{table}{}", after.collect::<String>()))
}

/// A row for each example of a page: the page, or the part of it below a heading of the second level.
fn rows(page: &ProviderPage) -> String {
    let ProviderPage { title, path, text } = page;
    let (mut link, mut rows) = (format!("[{title}]({path})"), String::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let heading = heading.to_lowercase();
            link = format!("[{title}, {heading}]({path}#{})", heading.replace(' ', "-"));
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

    fn page(title: &str, path: &str, text: &str) -> ProviderPage {
        ProviderPage { title: title.into(), path: path.into(), text: text.into() }
    }

    #[test]
    fn each_example_of_a_page_is_a_row() {
        let text = "# A\n\n<!-- example: `a` | `sub` -->\n\n## Some users\n\n<!-- example: `b` | a role -->\n";
        let expected = "| [A](providers/a.md) | `a` | `sub` |\n\
                        | [A, some users](providers/a.md#some-users) | `b` | a role |\n";
        assert_eq!(rows(&page("A", "providers/a.md", text)), expected);
        assert_eq!(rows(&page("A", "providers/a.md", "# A\n")), "");
    }

    #[test]
    fn each_page_has_a_line_in_the_contents() {
        let pages = [page("A", "providers/a.md", ""), page("B", "providers/b.md", "")];
        let text =
            "- [X](x.md)\n  - [P](providers.md)\n    - [Old](providers/old.md)\n- [Y](y.md)\n";
        let expected = "- [X](x.md)\n  - [P](providers.md)\n    - [A](providers/a.md)\n    - [B](providers/b.md)\n\
                        - [Y](y.md)\n";
        assert_eq!(contents(text, &pages).unwrap(), expected);
        assert!(contents("- [X](x.md)\n", &pages).is_err());
    }

    #[test]
    fn files_have_every_provider() {
        let workspace = Workspace::find().unwrap();
        for (name, text) in files(&workspace).unwrap() {
            let found = fs::read_to_string(workspace.path("docs/src").join(name)).unwrap();
            assert_eq!(text, found, "{name}");
        }
    }
}
