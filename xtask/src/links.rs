//! Checks that the links of Markdown files lead to files and headings of this repository, and that the contents of the
//! book have every page.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Component, Path, PathBuf},
};

use percent_encoding::percent_decode_str;
use pulldown_cmark::{BrokenLink, Event, LinkType, Options, Parser, Tag, TagEnd};
use regex_lite::Regex;

use crate::{error::Error, workspace::Workspace};

/// Checks the links of every Markdown file that git knows or would add. Links to other sites are not
/// followed.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Error> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"];
    let names = workspace.command("git")?.args(list).stdout()?;
    let mut documents = Documents::new();
    for name in String::from_utf8_lossy(&names).split_terminator('\0') {
        let file = workspace.path(name);
        // Deleted, but not yet committed.
        if file.is_file() {
            let text = fs::read_to_string(&file).map_err(Error::file(&file))?;
            documents.insert(name.into(), Document::parse(&text));
        }
    }
    let mut problems = problems(&documents, &|path| workspace.path(path).exists());
    problems.extend(missing_pages(&documents));
    if problems.is_empty() {
        let links: usize = documents.values().map(|document| document.links.len()).sum();
        println!("{links} links in {} Markdown files", documents.len());
        return Ok(());
    }
    Err(Error::Check(format!("broken links\n{}", problems.join("\n"))))
}

/// Markdown files by their paths below the root.
type Documents = BTreeMap<PathBuf, Document>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Document {
    anchors: BTreeSet<String>,
    links: Vec<Link>,
}

#[derive(Debug, PartialEq, Eq)]
struct Link {
    /// From 1.
    line: usize,
    target: Target,
}

#[derive(Debug, PartialEq, Eq)]
enum Target {
    Url(String),
    /// The label of a link that is defined nowhere.
    Undefined(String),
}

impl Document {
    fn parse(text: &str) -> Self {
        let mut document = Self::default();
        let line = |range: &Range<usize>| {
            1 + text.get(..range.start).unwrap_or_default().matches('\n').count()
        };
        let mut undefined = Vec::new();
        let on_broken = |link: BrokenLink<'_>| {
            // In `[word]` alone the brackets are mostly meant.
            if matches!(link.link_type, LinkType::Reference | LinkType::Collapsed) {
                undefined.push((line(&link.span), link.reference.to_string()));
            }
            None
        };
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_HEADING_ATTRIBUTES;
        let parser = Parser::new_with_broken_link_callback(text, options, Some(on_broken));
        let mut heading: Option<String> = None;
        for (event, range) in parser.into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { id, .. }) => {
                    document.anchors.extend(id.map(|id| id.to_string()));
                    heading = Some(String::new());
                }
                Event::End(TagEnd::Heading(_)) => {
                    document.add_anchor(&heading.take().unwrap_or_default());
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.add_link(line(&range), &dest_url);
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    document.add_html(line(&range), &html);
                }
                _ => {}
            }
        }
        let undefined = undefined.into_iter();
        document
            .links
            .extend(undefined.map(|(line, label)| Link { line, target: Target::Undefined(label) }));
        document
    }

    /// Adds the anchor that GitHub and mdBook give a heading.
    fn add_anchor(&mut self, heading: &str) {
        let slug: String = heading
            .trim()
            .chars()
            .filter_map(|letter| match letter {
                letter if letter.is_alphanumeric() || "-_".contains(letter) => Some(letter),
                letter if letter.is_whitespace() => Some('-'),
                _ => None,
            })
            .flat_map(char::to_lowercase)
            .collect();
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let free =
            [slug.clone()].into_iter().chain(numbered).find(|slug| !self.anchors.contains(slug));
        self.anchors.extend(free);
    }

    fn add_link(&mut self, line: usize, url: &str) {
        self.links.push(Link { line, target: Target::Url(url.to_owned()) });
    }

    fn add_html(&mut self, line: usize, html: &str) {
        let attribute = Regex::new(r#"\b(href|src|srcset|id|name)\s*=\s*"([^"]*)""#);
        let found = attribute.iter().flat_map(|attribute| attribute.captures_iter(html));
        for [name, value] in found.map(|found| found.extract().1) {
            match name {
                "id" | "name" => {
                    self.anchors.insert(value.to_owned());
                }
                "srcset" => {
                    let urls = value.split(',').filter_map(|url| url.split_whitespace().next());
                    urls.for_each(|url| self.add_link(line, url));
                }
                _ => self.add_link(line, value),
            }
        }
    }
}

/// The pages of the book that its contents lack, one a line. mdBook leaves them out.
fn missing_pages(documents: &Documents) -> impl Iterator<Item = String> {
    let (folder, contents) = (Path::new("docs/src"), Path::new("docs/src/SUMMARY.md"));
    let links = documents.get(contents).into_iter().flat_map(|contents| &contents.links);
    let listed = links.filter_map(|link| match &link.target {
        Target::Url(url) => normalize(&folder.join(url)),
        Target::Undefined(_) => None,
    });
    let listed: BTreeSet<_> = listed.collect();
    let pages = documents.keys().filter(move |file| file.starts_with(folder) && *file != contents);
    let missing = pages.filter(move |page| !listed.contains(*page));
    missing.map(|page| format!("  {}: {} is missing", contents.display(), page.display()))
}

/// The links that lead nowhere, one a line.
fn problems(documents: &Documents, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for (file, document) in documents {
        for Link { line, target } in &document.links {
            let problem = match target {
                Target::Undefined(label) => Some(format!("link `{label}` is not defined")),
                Target::Url(url) => problem(documents, exists, file, url),
            };
            problems.extend(problem.map(|text| format!("  {}:{line}: {text}", file.display())));
        }
    }
    problems
}

fn problem(
    documents: &Documents,
    exists: &dyn Fn(&Path) -> bool,
    file: &Path,
    url: &str,
) -> Option<String> {
    if is_elsewhere(url) {
        return None;
    }
    let (path, anchor) = url.split_once('#').unwrap_or((url, ""));
    let path = path.split('?').next().unwrap_or_default();
    let path = percent_decode_str(path).decode_utf8_lossy();
    let target = if path.is_empty() {
        Some(file.to_owned())
    } else {
        let folder = file.parent().filter(|_| !path.starts_with('/')).unwrap_or(Path::new(""));
        normalize(&folder.join(path.trim_start_matches('/')))
    };
    let Some(target) = target.filter(|target| exists(target)) else {
        return Some(format!("`{path}` does not exist"));
    };
    // Only of Markdown files are the anchors known.
    let known = documents.get(&target).filter(|_| !anchor.is_empty())?;
    let is_missing = !known.anchors.contains(&*percent_decode_str(anchor).decode_utf8_lossy());
    is_missing.then(|| format!("`#{anchor}` is not a heading in {}", target.display()))
}

/// Whether a URL has a scheme or a host.
fn is_elsewhere(url: &str) -> bool {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|mark| mark.is_ascii_alphanumeric() || "+-.".contains(mark))
    };
    url.starts_with("//") || scheme.is_some_and(is_scheme)
}

/// The path without `.` and `..`. None, if it leads out of the repository.
fn normalize(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::CurDir => {}
            Component::ParentDir if normal.pop() => {}
            _ => return None,
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a file `docs/page.md` next to `docs/other.md`, in a repository with one image.
    fn found(text: &str) -> Vec<String> {
        let other =
            "# The other page\n## Twice\n## Twice\n## `code` & *more*\n<a id=\"old\"></a>\n";
        let documents = [("docs/page.md", text), ("docs/other.md", other), ("README.md", "# Top")];
        let documents = documents.map(|(name, text)| (name.into(), Document::parse(text)));
        let documents = Documents::from(documents);
        let exists = |path: &Path| {
            documents.contains_key(path)
                || ["", "docs", "a b.svg"].iter().any(|name| path == Path::new(name))
        };
        problems(&documents, &exists)
    }

    #[test]
    fn contents_of_the_book_have_every_page() {
        let missing = |contents: &str| {
            let pages = [
                ("docs/src/SUMMARY.md", contents),
                ("docs/src/a.md", "[b](b/c.md)"),
                ("docs/src/b/c.md", ""),
                ("docs/other.md", ""),
            ];
            let documents = pages.map(|(name, text)| (name.into(), Document::parse(text)));
            missing_pages(&Documents::from(documents)).collect::<Vec<_>>()
        };
        assert_eq!(missing("- [A](a.md)\n  - [C](./b/c.md)"), Vec::<String>::new());
        let expected = "  docs/src/SUMMARY.md: docs/src/b/c.md is missing";
        assert_eq!(missing("[A](a.md) [Other](../other.md)"), [expected]);
        assert_eq!(missing("").len(), 2);
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        let rows: [(&str, &[&str]); 26] = [
            ("[a](other.md)", &[]),
            ("[a](./other.md#the-other-page)", &[]),
            ("[a](other.md#twice) [b](other.md#twice-1)", &[]),
            ("[a](other.md#twice-2)", &["1: `#twice-2` is not a heading in docs/other.md"]),
            ("[a](other.md#code--more)", &[]),
            ("[a](other.md#old)", &[]),
            ("[a](../README.md#top)", &[]),
            ("[a](/README.md)", &[]),
            ("[a](../docs)", &[]),
            ("[a](..)", &[]),
            ("# Here\n[a](#here)", &[]),
            ("# Here {#there}\n[a](#there)", &[]),
            ("[a](#there)", &["1: `#there` is not a heading in docs/page.md"]),
            ("text\n\n[a](missing.md)", &["3: `missing.md` does not exist"]),
            ("[a](../../outside.md)", &["1: `../../outside.md` does not exist"]),
            ("![a](../a%20b.svg)", &[]),
            ("![a](b.svg)", &["1: `b.svg` does not exist"]),
            ("[a](https://example.com/x.md) <mailto:a@example.com> [b](//example.com)", &[]),
            ("`[a](missing.md)`\n\n```\n[b](missing.md)\n```", &[]),
            ("[a][b]\n\n[b]: other.md", &[]),
            ("[a][b]\n\n[b]: missing.md", &["1: `missing.md` does not exist"]),
            ("[a][b]", &["1: link `b` is not defined"]),
            ("[a] and [b]", &[]),
            ("<img src=\"missing.svg\" alt=\"\">", &["1: `missing.svg` does not exist"]),
            (
                "<picture>\n<source srcset=\"missing.svg 2x, ../a%20b.svg\">\n</picture>",
                &["2: `missing.svg` does not exist"],
            ),
            ("| a |\n|---|\n| [b](missing.md) |", &["3: `missing.md` does not exist"]),
        ];
        let mut failed = Vec::new();
        for (text, expected) in rows {
            let expected: Vec<_> =
                expected.iter().map(|problem| format!("  docs/page.md:{problem}")).collect();
            let found = found(text);
            if found != expected {
                failed.push(format!("{text}: {found:?}"));
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }
}
