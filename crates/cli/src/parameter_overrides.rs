//! `--parameter-overrides`, as the SAM CLI reads it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use local::template;
use regex_lite::Regex;
use serde_json::Value;

use crate::exit::UsageError;

/// Values of parameters, by name.
pub(crate) type Parameters = BTreeMap<String, String>;

/// Reads the arguments: `NAME=VALUE`, several of them in one argument, `ParameterKey=NAME,ParameterValue=VALUE`, or
/// `file://PATH` with a YAML or JSON file. A later value replaces an earlier one.
pub(crate) fn read(arguments: &[String]) -> Result<Parameters, UsageError> {
    let mut parameters = Parameters::new();
    for argument in arguments {
        add_text(argument, None, &mut Vec::new(), &mut parameters)?;
    }
    Ok(parameters)
}

/// Adds what one text says. `file` is the file that it stands in, and `open` are the files that include that one.
fn add_text(
    text: &str,
    file: Option<&Path>,
    open: &mut Vec<PathBuf>,
    parameters: &mut Parameters,
) -> Result<(), UsageError> {
    let Some(path) = text.strip_prefix("file://") else {
        parameters.extend(pairs(text)?);
        return Ok(());
    };
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let path = folder.join(path);
    let problem = |problem: &str| UsageError(format!("--parameter-overrides {text}: {problem}"));
    let is_known = path.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json");
    if !is_known {
        return Err(problem("the name of the file must end with .yaml, .yml or .json"));
    }
    let path = path.canonicalize().map_err(|error| problem(&error.to_string()))?;
    if open.contains(&path) {
        return Err(problem("the file includes itself"));
    }
    let content = fs::read_to_string(&path).map_err(|error| problem(&error.to_string()))?;
    let value = template::parse_yaml(&content).map_err(|error| problem(&error.to_string()))?;
    open.push(path.clone());
    let mut added = Parameters::new();
    let result = add_value(&value, &path, open, &mut added);
    open.pop();
    // SAM removes quotes once more for each file.
    parameters.extend(added.iter().map(|(name, value)| (unquote(name), unquote(value))));
    result
}

/// Adds what a value in a file says.
fn add_value(
    value: &Value,
    file: &Path,
    open: &mut Vec<PathBuf>,
    parameters: &mut Parameters,
) -> Result<(), UsageError> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => add_text(text, Some(file), open, parameters),
        Value::Array(items) => {
            items.iter().try_for_each(|item| add_value(item, file, open, parameters))
        }
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if name == "$include" {
                if value.is_object() {
                    return Err(UsageError(format!(
                        "--parameter-overrides {}: `$include` must be a file or a list of files",
                        file.display()
                    )));
                }
                return add_value(value, file, open, parameters);
            }
            let value = match value {
                // A value that an included file has set is unset.
                Value::Null => String::new(),
                Value::Array(items) => {
                    let items = items.iter().filter(|item| !item.is_null()).map(text);
                    let items = items.filter(|item| !item.is_empty());
                    items.map(|item| item.trim().to_owned()).collect::<Vec<_>>().join(",")
                }
                value => text(value),
            };
            parameters.insert(unquote(name), unquote(&value));
            Ok(())
        }),
        _ => Err(UsageError(format!(
            "--parameter-overrides {}: `{value}` is not a list of parameters",
            file.display()
        ))),
    }
}

/// The text of a value. SAM writes booleans as Python does.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        value => value.to_string(),
    }
}

/// The pairs of one argument.
fn pairs(argument: &str) -> Result<Vec<(String, String)>, UsageError> {
    let text = format!(" {}", argument.trim());
    for form in [format!("ParameterKey={NAME},ParameterValue={VALUE}"), format!(" {NAME}={VALUE}")]
    {
        let form = Regex::new(&form).map_err(|error| UsageError(error.to_string()))?;
        let (mut pairs, mut rest) = (Vec::new(), String::new());
        let mut end = 0;
        for found in form.captures_iter(&text) {
            let (Some(all), Some(name), Some(value)) = (found.get(0), found.get(1), found.get(2))
            else {
                continue;
            };
            rest.push_str(text.get(end..all.start()).unwrap_or_default());
            end = all.end();
            pairs.push((unquote(name.as_str()), unquote(value.as_str())));
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
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)));
    inner.unwrap_or(text).replace("\\ ", " ").replace("\\\"", "\"").replace("\\'", "'")
}

const NAME: &str = r#"([A-Za-z0-9"']+)"#;
/// In double quotes, in single quotes, or without spaces and double quotes. A backslash takes away the meaning of the
/// character after it.
const VALUE: &str = r#"("(?:\\.|[^"\\]+)*"|'(?:\\.|[^'\\]+)*'|(?:\\.|[^ "\\]+)+)"#;

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    fn read_all(arguments: &[&str]) -> Result<Vec<(String, String)>, String> {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let read = read(&arguments).map_err(|UsageError(problem)| problem)?;
        Ok(read.into_iter().collect())
    }

    /// The expected values are those of the SAM CLI (`CfnParameterOverridesType`).
    #[test]
    fn arguments_are_read_as_by_sam() {
        type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
        let rows: &[Row<'_>] = &[
            (&["A=1"], &[("A", "1")]),
            (&["A=1", "B=2"], &[("A", "1"), ("B", "2")]),
            (&["A=1 B=2"], &[("A", "1"), ("B", "2")]),
            (&["A=1", "A=2"], &[("A", "2")]),
            (&["A=b=c"], &[("A", "b=c")]),
            (&[r#"A="b c" B='d e'"#], &[("A", "b c"), ("B", "d e")]),
            (&[r"A=b\ c"], &[("A", "b c")]),
            (&[r#"A="b \"c\"""#], &[("A", r#"b "c""#)]),
            (&["A=\"\""], &[("A", "")]),
            (&["A=[{'route':'GET_/a'}]"], &[("A", "[{'route':'GET_/a'}]")]),
            (
                &["ParameterKey=A,ParameterValue=1 ParameterKey=B,ParameterValue=2"],
                &[("A", "1"), ("B", "2")],
            ),
            (&["ParameterKey=A,ParameterValue='1 2'"], &[("A", "1 2")]),
            (
                &["KeyAdministrators=arn:aws:iam::1:role/a,arn:aws:iam::1:role/b"],
                &[("KeyAdministrators", "arn:aws:iam::1:role/a,arn:aws:iam::1:role/b")],
            ),
        ];
        for (arguments, expected) in rows {
            let expected = expected.iter().map(|&(name, value)| (name.into(), value.into()));
            assert_eq!(read_all(arguments), Ok(expected.collect()), "{arguments:?}");
        }
    }

    #[test]
    fn what_sam_would_ignore_is_refused() {
        for (argument, expected) in [
            ("A", "`A` is not NAME=VALUE"),
            ("A=", "`A=` is not NAME=VALUE"),
            ("=1", "`=1` is not NAME=VALUE"),
            ("A=1 B=", "`B=` is not NAME=VALUE"),
            ("A=b c", "`c` is not NAME=VALUE; a value with spaces needs quotes"),
            (r#"A={"b": 1}"#, "needs quotes"),
            ("file://none.yaml", "No such file"),
            ("file://none.txt", "must end with .yaml, .yml or .json"),
        ] {
            let problem = read_all(&[argument]).unwrap_err();
            assert!(problem.contains(expected), "{argument}: {problem}");
        }
    }

    #[test]
    fn files_are_read() {
        let folder = env::temp_dir().join(format!("countersign-parameters-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write(
            "all.yaml",
            "$include: more.json\nA: 1\nB: [x, ' y ', '']\nC: true\nD: null\nE: \"'q'\"\n",
        );
        write("more.json", r#"[{"A": 5, "D": "set"}, "F=6 G=7"]"#);
        write("itself.yaml", "$include: file://itself.yaml\n");
        write("included.yaml", "$include: file://more.json\nA: 2\n");
        write("wrong.yaml", "7\n");
        let file = |name: &str| format!("file://{}", folder.join(name).display());
        let read = read_all(&[&file("included.yaml"), "G=8"]);
        let expected = [("A", "2"), ("D", "set"), ("F", "6"), ("G", "8")];
        assert_eq!(read.unwrap(), expected.map(|(name, value)| (name.into(), value.into())));
        let problem = read_all(&[&file("all.yaml")]).unwrap_err();
        assert!(problem.contains("`more.json` is not NAME=VALUE"), "{problem}");
        assert!(read_all(&[&file("itself.yaml")]).unwrap_err().contains("includes itself"));
        assert!(
            read_all(&[&file("wrong.yaml")]).unwrap_err().contains("is not a list of parameters")
        );
        write("all.yaml", "A: 1\nB: [x, ' y ', '']\nC: true\nD: null\nE: \"'q'\"\n");
        let read = read_all(&[&file("all.yaml")]).unwrap();
        let expected = [("A", "1"), ("B", "x,y"), ("C", "True"), ("D", ""), ("E", "q")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        fs::remove_dir_all(folder).unwrap();
    }
}
