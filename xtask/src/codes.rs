//! Checks that the page on observability has every reason and cause of the functions, and no other, and every line that
//! they write with `tracing`.

use std::{collections::BTreeSet, fs, path::Path};

use regex_lite::Regex;

use crate::{error::Error, workspace::Workspace};

const PAGE: &str = "docs/src/observability.md";

/// The crates with the codes of log lines and metrics. The issuer's codes are those of OAuth.
const CRATES: [&str; 7] = ["jwt", "policy", "kms", "oidc", "rotation", "runtime", "authorizer"];

/// Compares the codes of the sources with those of the page.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Error> {
    let mut sources = Vec::new();
    for name in CRATES {
        read_sources(&workspace.path("crates").join(name).join("src"), &mut sources)?;
    }
    let page = workspace.path(PAGE);
    let page = fs::read_to_string(&page).map_err(Error::file(&page))?;
    let mut problems = problems(&sources, &page)?;
    for name in ["issuer", "rotator"] {
        read_sources(&workspace.path("crates").join(name).join("src"), &mut sources)?;
    }
    problems.extend(undocumented_messages(&sources, &page)?);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::Check(format!("{PAGE}\n{}", problems.join("\n"))))
}

fn read_sources(folder: &Path, sources: &mut Vec<String>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        if path.is_dir() {
            read_sources(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(&path).map_err(Error::file(&path))?);
        }
    }
    Ok(())
}

/// The codes that the page lacks, and those of its tables that no source has.
fn problems(sources: &[String], page: &str) -> Result<Vec<String>, Error> {
    let pattern = |text| Regex::new(text).map_err(|error| Error::Check(error.to_string()));
    let function = pattern(r"(?s)fn code\(&?self\) -> &'static str \{(.*?)\n    \}")?;
    let code = pattern(r#""([A-Z][A-Za-z]*)""#)?;
    let documented_code = pattern("`([A-Z][A-Za-z]*)`")?;

    let sections = page.split("\n## ").filter(|section| SECTIONS.contains(&heading(section)));
    let section = sections.collect::<String>();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    let rows: String = rows.collect();
    let (described, listed) = (all(&documented_code, &section), all(&documented_code, &rows));
    let (mut known, mut texts) = (BTreeSet::new(), BTreeSet::new());
    for source in sources {
        let bodies = function.captures_iter(source).filter_map(|found| found.get(1));
        known.extend(bodies.flat_map(|body| all(&code, body.as_str())));
        texts.extend(all(&code, source));
    }
    let missing = known.difference(&described).map(|code| format!("{code} is not described"));
    let unknown = listed.difference(&texts).map(|code| format!("{code} is in no source"));
    Ok(missing.chain(unknown).collect())
}

/// The messages of `tracing` that the page lacks.
fn undocumented_messages(sources: &[String], page: &str) -> Result<Vec<String>, Error> {
    let pattern = |text| Regex::new(text).map_err(|error| Error::Check(error.to_string()));
    let call = pattern(r"(?s)tracing::(?:info|warn|error)!\((.*?)\);")?;
    let text = pattern(r#"(?s)"([^"]*)"\s*$"#)?;
    let calls = sources.iter().flat_map(|source| all(&call, source));
    let messages = calls.map(|call| {
        let found = text.captures(call).and_then(|found| found.get(1));
        found.map(|message| message.as_str()).ok_or_else(|| {
            Error::Check(format!("the message of this line is not its last argument: {call}"))
        })
    });
    let messages = messages.collect::<Result<BTreeSet<_>, _>>()?;
    let missing = messages.iter().filter(|message| !page.contains(&format!("`{message}`")));
    Ok(missing.map(|message| format!("the line \"{message}\" is not described")).collect())
}

/// The sections of the page with the codes.
const SECTIONS: [&str; 2] = ["Reason codes", "Cause codes"];

fn heading(section: &str) -> &str {
    section.lines().next().unwrap_or_default()
}

/// The first group of every match.
fn all<'a>(pattern: &Regex, text: &'a str) -> BTreeSet<&'a str> {
    let groups = pattern.captures_iter(text).filter_map(|found| found.get(1));
    groups.map(|group| group.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_functions_are_documented() {
        check(&Workspace::find().unwrap()).unwrap();
    }

    #[test]
    fn undocumented_lines_are_named() {
        let source = "tracing::warn!(%alias, %error, \"no key\");\n\
                      tracing::error!(\n    error = \"text\",\n    \"the end\"\n);\n";
        let found = undocumented_messages(&[source.to_owned()], "| WARN `no key` | it ends |");
        assert_eq!(found.unwrap(), ["the line \"the end\" is not described"]);
        let without_message = "tracing::warn!(%alias);".to_owned();
        assert!(undocumented_messages(&[without_message], "").is_err());
    }

    #[test]
    fn undocumented_and_unknown_codes_are_named() {
        let source = "    pub const fn code(self) -> &'static str {\n        \
                      match self {\n            Self::A => \"Known\",\n        }\n    }\n\
                      const OTHER: &str = \"Constant\";\n";
        let page = "# Page\n\n## Reason codes\n\n| `Known` | a `Text` |\n| `Constant`, `Known` | b |\n\n## Metrics\n";
        let rows = [
            ("all described", page.to_owned(), vec![]),
            ("not described", page.replace("Known", "Constant"), vec!["Known is not described"]),
            (
                "described in another section",
                page.replace("`Known`", "") + "`Known`",
                vec!["Known is not described"],
            ),
            ("in a text", page.replace("| `Known`", "`Known` |"), vec![]),
            ("in no source", page.replace("`Constant`", "`Gone`"), vec!["Gone is in no source"]),
        ];
        for (name, page, expected) in rows {
            let found = problems(&[source.to_owned()], &page).unwrap();
            assert_eq!(found, expected, "{name}");
        }
    }
}
