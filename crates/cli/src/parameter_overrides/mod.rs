//! `--parameter-overrides`, as the SAM CLI reads it.

mod document;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use regex_lite::Regex;

pub(crate) use self::document::{Node, read as read_document};
use crate::exit::UsageError;

/// Values of parameters, by name.
pub(crate) type Parameters = BTreeMap<String, String>;

/// Reads the arguments: `NAME=VALUE`, several of them in one argument, `ParameterKey=NAME,ParameterValue=VALUE`, or
/// `file://PATH` with a TOML or YAML file. A later value replaces an earlier one.
pub(crate) fn read(arguments: &[String]) -> Result<Parameters, UsageError> {
    let texts = arguments.iter().cloned().map(Node::Text);
    // One empty argument stands for no parameters.
    let value = match arguments {
        [empty] if empty.is_empty() => Node::Null,
        _ => Node::List(texts.collect()),
    };
    read_value(&value)
}

/// Reads the value of `parameter_overrides` in a configuration file of the SAM CLI.
pub(crate) fn read_value(value: &Node) -> Result<Parameters, UsageError> {
    Ok(convert(value, None, &mut Vec::new())?.into_iter().collect())
}

/// Parameters in the order in which the SAM CLI sets them.
type Pairs = Vec<(String, String)>;

/// The parameters in a value, without the quotes around names and values. The SAM CLI removes quotes once for each file
/// and each `$include`. `file` is the file with the value, and `open` are the files that include that file.
fn convert(
    value: &Node,
    file: Option<&Path>,
    open: &mut Vec<PathBuf>,
) -> Result<Pairs, UsageError> {
    let mut pairs = Pairs::new();
    if !matches!(value, Node::Text(text) if text.is_empty()) {
        add(value, file, open, &mut pairs)?;
    }
    let mut result = Pairs::new();
    for (name, value) in pairs {
        set(&mut result, unquote(&name), unquote(&value));
    }
    Ok(result)
}

/// Sets a parameter. One that is set already keeps its place.
fn set(pairs: &mut Pairs, name: String, value: String) {
    match pairs.iter_mut().find(|(own, _)| *own == name) {
        Some((_, own)) => *own = value,
        None => pairs.push((name, value)),
    }
}

fn add(
    value: &Node,
    file: Option<&Path>,
    open: &mut Vec<PathBuf>,
    pairs: &mut Pairs,
) -> Result<(), UsageError> {
    let invalid = |problem: &str| match file {
        Some(file) => UsageError(format!("--parameter-overrides {}: {problem}", file.display())),
        None => UsageError(format!("--parameter-overrides: {problem}")),
    };
    match value {
        Node::Null => Ok(()),
        Node::Text(text) => {
            let added = match text.strip_prefix("file://") {
                Some(path) => of_file(text, path, file, open)?,
                None => of_text(text)?,
            };
            for (name, value) in added {
                set(pairs, name, value);
            }
            Ok(())
        }
        Node::List(items) => items.iter().try_for_each(|item| add(item, file, open, pairs)),
        Node::Table(members) => members.iter().try_for_each(|(name, value)| {
            // With `null`, it is an ordinary name.
            if name == "$include" && *value != Node::Null {
                if !matches!(value, Node::Text(_) | Node::List(_)) {
                    return Err(invalid("`$include` must be a file or a list of files"));
                }
                for (name, value) in convert(value, file, open)? {
                    set(pairs, name, value);
                }
                return Ok(());
            }
            let value = text(value).ok_or_else(|| {
                invalid(&format!("`{name}` must be a text, a number, a boolean or a list of them"))
            })?;
            set(pairs, name.clone(), value);
            Ok(())
        }),
        Node::Scalar(value) => Err(invalid(&format!("`{value}` is not a list of parameters"))),
        Node::Other => Err(invalid("it is not a list of parameters")),
    }
}

/// The text of the value of a parameter.
fn text(value: &Node) -> Option<String> {
    match value {
        // A value that an included file has set is unset.
        Node::Null => Some(String::new()),
        Node::Text(text) | Node::Scalar(text) => Some(text.clone()),
        Node::List(items) => {
            let mut texts = Vec::new();
            for item in items {
                match item {
                    Node::Null => {}
                    Node::Text(text) if text.is_empty() => {}
                    Node::Text(text) | Node::Scalar(text) => texts.push(text.trim()),
                    Node::List(_) | Node::Table(_) | Node::Other => return None,
                }
            }
            Some(texts.join(","))
        }
        Node::Table(_) | Node::Other => None,
    }
}

/// The parameters in a file. `text` is the reference, and `including` the file with the reference.
fn of_file(
    text: &str,
    path: &str,
    including: Option<&Path>,
    open: &mut Vec<PathBuf>,
) -> Result<Pairs, UsageError> {
    let folder = including.and_then(Path::parent).unwrap_or(Path::new(""));
    let path = folder.join(path);
    let problem = |problem: &str| UsageError(format!("--parameter-overrides {text}: {problem}"));
    if !document::is_supported(&path) {
        return Err(problem("the name of the file must end with .toml, .yaml or .yml"));
    }
    let path = path.canonicalize().map_err(|error| problem(&error.to_string()))?;
    if open.contains(&path) {
        return Err(problem("the file includes itself"));
    }
    let value = document::read(&path)
        .map_err(|UsageError(cause)| UsageError(format!("--parameter-overrides: {cause}")))?;
    open.push(path.clone());
    let result = convert(&value, Some(&path), open);
    open.pop();
    result
}

/// The pairs of one argument, with their quotes.
fn of_text(argument: &str) -> Result<Pairs, UsageError> {
    let text = format!(" {}", argument.trim());
    for form in [format!("ParameterKey={NAME},ParameterValue={VALUE}"), format!(" {NAME}={VALUE}")]
    {
        let form = Regex::new(&form).map_err(|error| UsageError(error.to_string()))?;
        let (mut pairs, mut rest) = (Pairs::new(), String::new());
        let mut end = 0;
        for found in form.captures_iter(&text) {
            let (Some(all), Some(name), Some(value)) = (found.get(0), found.get(1), found.get(2))
            else {
                continue;
            };
            rest.push_str(text.get(end..all.start()).unwrap_or_default());
            end = all.end();
            set(&mut pairs, name.as_str().to_owned(), value.as_str().to_owned());
        }
        rest.push_str(text.get(end..).unwrap_or_default());
        let rest = rest.trim();
        if !pairs.is_empty() && rest.is_empty() {
            return Ok(pairs);
        }
        if !pairs.is_empty() {
            // SAM ignores it.
            return Err(UsageError(format!(
                "--parameter-overrides: `{rest}` is not NAME=VALUE; a value with spaces needs quotes within the \
                 argument: 'NAME=\"A B\"'"
            )));
        }
    }
    Err(UsageError(format!(
        "--parameter-overrides: `{argument}` is not NAME=VALUE, ParameterKey=NAME,ParameterValue=VALUE or file://PATH"
    )))
}

/// Removes quotes around a text, and backslashes before quotes and spaces.
fn unquote(text: &str) -> String {
    let inner = ['"', '\''].into_iter().find_map(|quote| {
        // One quote alone is removed too.
        text.strip_prefix(quote).filter(|text| text.is_empty() || text.ends_with(quote))
    });
    let inner = inner.map(|text| text.get(..text.len().saturating_sub(1)).unwrap_or_default());
    inner.unwrap_or(text).replace("\\ ", " ").replace("\\\"", "\"").replace("\\'", "'")
}

const NAME: &str = r#"([A-Za-z0-9"']+)"#;
/// In double quotes, in single quotes, or without spaces and double quotes. A backslash takes away the meaning of the
/// character after it.
const VALUE: &str = r#"("(?:\\.|[^"\\]+)*"|'(?:\\.|[^'\\]+)*'|(?:\\.|[^ "\\]+)+)"#;

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use serde_json::Value;

    use super::*;
    use crate::configuration::of_samconfig;

    /// The parameters that the SAM CLI reads; `interop/sam_parameter_overrides.py` compares it with the same cases.
    const CASES: &str = include_str!("cases.json");

    #[test]
    fn parameters_are_read_as_by_sam() {
        let folder = env::temp_dir().join(format!("countersign-parameters-{}", process::id()));
        let placed =
            |text: &Value| text.as_str().unwrap().replace("FOLDER", &folder.display().to_string());
        let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
        assert!(cases.len() > 30);
        let mut failures = Vec::new();
        for case in &cases {
            fs::create_dir_all(&folder).unwrap();
            for (name, text) in case["files"].as_object().into_iter().flatten() {
                fs::write(folder.join(name), text.as_str().unwrap()).unwrap();
            }
            let read = match &case["samconfig"] {
                Value::Null => {
                    let arguments = case["arguments"].as_array().unwrap();
                    read(&arguments.iter().map(placed).collect::<Vec<_>>())
                }
                text => {
                    let name = case["samconfig_name"].as_str().unwrap_or("samconfig.toml");
                    fs::write(folder.join(name), placed(text)).unwrap();
                    of_samconfig(&folder.join(name), "default")
                }
            };
            let is_expected = match (&read, &case["refused"]) {
                (Ok(read), Value::Null) => serde_json::json!(read) == case["parameters"],
                (Err(UsageError(problem)), Value::String(part)) => problem.contains(part),
                _ => false,
            };
            if !is_expected {
                failures
                    .push(format!("{case}: {read:?}", read = read.map_err(|UsageError(it)| it)));
            }
            fs::remove_dir_all(&folder).unwrap();
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn argument_that_sam_would_ignore_is_refused() {
        for (argument, expected) in [
            ("A=1 B=", "`B=` is not NAME=VALUE"),
            ("A=1 file://none.yaml", "`file://none.yaml` is not NAME=VALUE"),
            ("A=b c", "`c` is not NAME=VALUE; a value with spaces needs quotes"),
            (r#"A={"b": 1}"#, "needs quotes"),
        ] {
            let UsageError(problem) = read(&[argument.to_owned()]).unwrap_err();
            assert!(problem.contains(expected), "{argument}: {problem}");
        }
    }

    /// The SAM CLI writes them as Python does, which no parameter takes.
    #[test]
    fn values_that_are_not_texts_are_refused() {
        for (name, value) in [
            ("a.toml", "A = 2026-01-01"),
            ("a.toml", "A = {b = 1}"),
            ("a.toml", "A = [[1]]"),
            ("a.yaml", "A: {b: 1}"),
            ("a.yaml", "A: !Ref b"),
            ("a.yaml", "A: 0b11"),
            ("a.yaml", "A: 1_000"),
            ("a.yaml", "A: 2026-01-01T00:00:00Z"),
            ("a.yaml", "A: [2026-01-01 00:00:00]"),
        ] {
            let folder = env::temp_dir().join(format!("countersign-values-{}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), value).unwrap();
            let argument = format!("file://{}", folder.join(name).display());
            let UsageError(problem) = read(&[argument]).unwrap_err();
            assert!(problem.contains("`A` must be a text, a number,"), "{value}: {problem}");
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
