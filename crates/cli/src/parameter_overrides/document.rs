//! TOML and YAML files, with the values that the SAM CLI makes of them.

use std::path::Path;

use regex_lite::Regex;
use saphyr::{Scalar, ScalarStyle, ScanError, Yaml, YamlLoader};
use saphyr_parser::Parser;
use toml_edit::{DocumentMut, Item, Table, Value};

use crate::{
    exit::UsageError,
    input::{read_text, with_path},
};

/// A value of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Text(String),
    /// A number or boolean, as Python writes it.
    Scalar(String),
    List(Vec<Node>),
    /// The members in their order in the file, which decides which value of a parameter is the last.
    Table(Vec<(String, Node)>),
    /// Any other value, such as a date, or a text without quotes that YAML 1.1 takes for a number.
    Other,
}

/// Whether the SAM CLI reads files with this extension.
pub(crate) fn is_supported(file: &Path) -> bool {
    file.extension().is_some_and(|it| it == "toml") || is_yaml(file)
}

/// Reads a file: YAML if its extension says so, otherwise TOML.
pub(crate) fn read(file: &Path) -> Result<Node, UsageError> {
    let text = read_text(file)?;
    if is_yaml(file) {
        let documents = load(&text).map_err(|error| UsageError(with_path(file, &error)))?;
        match &*documents {
            [] => Ok(Node::Null),
            [document] => Ok(of_yaml(document)),
            _ => Err(UsageError(format!("{}: must have one YAML document", file.display()))),
        }
    } else {
        let document: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| UsageError(with_path(file, &error)))?;
        Ok(of_table(document.as_table()))
    }
}

fn is_yaml(file: &Path) -> bool {
    file.extension().is_some_and(|it| it == "yaml" || it == "yml")
}

/// The documents, with their scalars as they are written: a number can have more digits than a type of Rust.
fn load(text: &str) -> Result<Vec<Yaml<'_>>, ScanError> {
    let mut loader = YamlLoader::default();
    loader.early_parse(false);
    Parser::new_from_str(text).load(&mut loader, true)?;
    match loader.error() {
        Some(error) => Err(error.clone()),
        None => Ok(loader.into_documents()),
    }
}

impl Node {
    /// A member of a table.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Table(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

fn of_table(table: &Table) -> Node {
    Node::Table(table.iter().map(|(name, item)| (name.to_owned(), of_item(item))).collect())
}

fn of_item(item: &Item) -> Node {
    match item {
        Item::None => Node::Null,
        Item::Value(value) => of_value(value),
        Item::Table(table) => of_table(table),
        Item::ArrayOfTables(tables) => Node::List(tables.iter().map(of_table).collect()),
    }
}

fn of_value(value: &Value) -> Node {
    match value {
        Value::String(text) => Node::Text(text.value().clone()),
        Value::Integer(number) => Node::Scalar(number.value().to_string()),
        Value::Float(number) => Node::Scalar(python_float(*number.value())),
        Value::Boolean(value) => Node::Scalar(python_bool(*value.value()).to_owned()),
        Value::Datetime(_) => Node::Other,
        Value::Array(items) => Node::List(items.iter().map(of_value).collect()),
        Value::InlineTable(members) => {
            Node::Table(members.iter().map(|(name, it)| (name.to_owned(), of_value(it))).collect())
        }
    }
}

fn of_yaml(node: &Yaml<'_>) -> Node {
    match node {
        Yaml::Representation(text, ScalarStyle::Plain, None) => {
            if matches(text, "^-?[1-9][0-9]*$") {
                Node::Scalar(text.to_string())
            } else if UNCLEAR.iter().any(|pattern| matches(text, pattern)) {
                Node::Other
            } else {
                of_scalar(Scalar::parse_from_cow_and_metadata(
                    text.clone(),
                    ScalarStyle::Plain,
                    None,
                ))
            }
        }
        Yaml::Representation(text, style, tag)
            if tag.as_ref().is_none_or(|tag| tag.is_yaml_core_schema()) =>
        {
            of_scalar(Scalar::parse_from_cow_and_metadata(text.clone(), *style, tag.as_ref()))
        }
        Yaml::Value(scalar) => of_scalar(Some(scalar.clone())),
        Yaml::Sequence(items) => Node::List(items.iter().map(of_yaml).collect()),
        Yaml::Mapping(members) => {
            let name = |node| match of_yaml(node) {
                Node::Text(text) | Node::Scalar(text) => Some(text),
                _ => None,
            };
            let members = members.iter();
            let members = members.map(|(key, value)| Some((name(key)?, of_yaml(value))));
            members.collect::<Option<_>>().map_or(Node::Other, Node::Table)
        }
        Yaml::Tagged(..) | Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            Node::Other
        }
    }
}

fn of_scalar(scalar: Option<Scalar<'_>>) -> Node {
    match scalar {
        None => Node::Other,
        Some(Scalar::Null) => Node::Null,
        Some(Scalar::Boolean(value)) => Node::Scalar(python_bool(value).to_owned()),
        Some(Scalar::Integer(number)) => Node::Scalar(number.to_string()),
        Some(Scalar::FloatingPoint(number)) => Node::Scalar(python_float(number.0)),
        Some(Scalar::String(text)) => Node::Text(text.into_owned()),
    }
}

/// Binary numbers, numbers with underscores, and times: the SAM CLI reads them by YAML 1.1, and writes them in another form.
const UNCLEAR: [&str; 3] = [
    "^[-+]?0b[01_]+$",
    r"^[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?$",
    "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]| +)[0-9]",
];

fn matches(text: &str, pattern: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

const fn python_bool(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// The number as Python's `str` writes it: with an exponent only if it is below -4 or above 15.
fn python_float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific.to_ascii_lowercase();
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => format!("{number:?}"),
    }
}
