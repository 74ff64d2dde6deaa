//! Checks that each type name stands for one type in all crates.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use syn::{Ident, Item};

use crate::{cycles::is_test, error::Error, workspace::Workspace};

/// Names that every command of the command line defines.
const OF_EVERY_COMMAND: [&str; 2] = ["Arguments", "Command"];

/// Checks the types in `src` of every crate in `crates`, except those of tests.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Error> {
    let mut files = Vec::new();
    let crates = workspace.path("crates");
    for entry in fs::read_dir(&crates).map_err(Error::file(&crates))? {
        let folder = entry.map_err(Error::file(&crates))?.path().join("src");
        add_files(&folder, &mut files)?;
    }
    files.sort();
    let mut definitions = Definitions::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(Error::file(&file))?;
        add_types(workspace.relative(&file), &text, &mut definitions)?;
    }
    let problems = problems(&definitions);
    if problems.is_empty() {
        println!("{} type names, each of one type", definitions.len());
        return Ok(());
    }
    Err(Error::Check(format!("a type name stands for one type\n{}", problems.join("\n"))))
}

/// The places of the types with a name, as `FILE:LINE`.
type Definitions = BTreeMap<String, Vec<String>>;

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if path.is_dir() && !is_test {
            add_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            files.push(path);
        }
    }
    Ok(())
}

fn add_types(file: &Path, text: &str, definitions: &mut Definitions) -> Result<(), Error> {
    let parsed = syn::parse_file(text).map_err(|source| Error::Syntax {
        path: file.to_owned(),
        line: source.span().start().line,
        source,
    })?;
    add_items(file, &parsed.items, definitions);
    Ok(())
}

fn add_items(file: &Path, items: &[Item], definitions: &mut Definitions) {
    for item in items {
        if let Item::Mod(module) = item
            && !is_test(&module.attrs)
            && let Some((_, items)) = &module.content
        {
            add_items(file, items, definitions);
        }
        if let Some(name) = type_name(item) {
            let place = format!("{}:{}", file.display(), name.span().start().line);
            definitions.entry(name.to_string()).or_default().push(place);
        }
    }
}

fn type_name(item: &Item) -> Option<&Ident> {
    let (attributes, name) = match item {
        Item::Enum(item) => (&item.attrs, &item.ident),
        Item::Struct(item) => (&item.attrs, &item.ident),
        Item::Trait(item) => (&item.attrs, &item.ident),
        Item::Type(item) => (&item.attrs, &item.ident),
        Item::Union(item) => (&item.attrs, &item.ident),
        _ => return None,
    };
    (!is_test(attributes)).then_some(name)
}

/// A line for each name with several types.
fn problems(definitions: &Definitions) -> Vec<String> {
    let repeated = definitions
        .iter()
        .filter(|(name, places)| places.len() > 1 && !OF_EVERY_COMMAND.contains(&name.as_str()));
    repeated.map(|(name, places)| format!("`{name}`: {}", places.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definitions(sources: &[(&str, &str)]) -> Definitions {
        let mut definitions = Definitions::new();
        for (file, text) in sources {
            add_types(Path::new(file), text, &mut definitions).unwrap();
        }
        definitions
    }

    #[test]
    fn name_of_two_types_is_a_problem() {
        let found = definitions(&[
            ("a.rs", "/// A key.\npub struct Key;\n\nenum Row {}\n"),
            ("b.rs", "mod inner {\n    trait Key {}\n}\n"),
        ]);
        assert_eq!(problems(&found), ["`Key`: a.rs:2, b.rs:2"]);
    }

    #[test]
    fn types_of_tests_and_commands_and_other_items_do_not_count() {
        let found = definitions(&[
            (
                "a.rs",
                "pub struct Key;\n#[cfg(test)]\nstruct Row;\nstruct Arguments;\nfn name() {}\n",
            ),
            (
                "b.rs",
                "#[cfg(test)]\nmod tests {\n    struct Key;\n}\nstruct Row;\nstruct Arguments;\nfn name() {}\n",
            ),
        ]);
        assert_eq!(problems(&found), Vec::<String>::new());
        assert_eq!(found.keys().collect::<Vec<_>>(), ["Arguments", "Key", "Row"]);
    }
}
