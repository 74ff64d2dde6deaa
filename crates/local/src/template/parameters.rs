//! The parameters of a template and their constraints ("Parameters" in the CloudFormation user guide).

use fancy_regex::Regex;
use serde_json::{Number, Value};

use super::{error::TemplateError, resolver::text};

/// The value of a parameter, from the caller or from `Default`, if it meets the constraints of the parameter.
pub(super) fn value_of(
    name: &str,
    parameter: &Value,
    given: Option<&str>,
) -> Result<Value, TemplateError> {
    let value = given.map(str::to_owned).or_else(|| parameter.get("Default").map(text));
    let value = value.ok_or_else(|| TemplateError(format!("parameter {name} needs a value")))?;
    let kind = parameter.get("Type").and_then(Value::as_str).unwrap_or_default();
    let constraints = Constraints { name, parameter };
    Ok(match kind {
        "Number" => {
            let number: Number = serde_json::from_str(&value)
                .map_err(|_| TemplateError(format!("parameter {name} must be a number")))?;
            constraints.check_value(&value)?;
            constraints.check_range(&number)?;
            number.into()
        }
        "CommaDelimitedList" => {
            let items: Vec<_> = value.split(',').map(str::trim).collect();
            items.iter().try_for_each(|item| constraints.check_value(item))?;
            items.into()
        }
        _ => {
            constraints.check_value(&value)?;
            constraints.check_length(&value)?;
            value.into()
        }
    })
}

/// The constraints of one parameter.
struct Constraints<'a> {
    name: &'a str,
    parameter: &'a Value,
}

impl Constraints<'_> {
    /// `AllowedValues` and `AllowedPattern`, which apply to each item of a list.
    fn check_value(&self, value: &str) -> Result<(), TemplateError> {
        let allowed = self.parameter.get("AllowedValues").and_then(Value::as_array);
        if allowed.is_some_and(|allowed| !allowed.iter().any(|other| text(other) == value)) {
            return Err(self.violation(&format!("does not allow the value {value}")));
        }
        let Some(pattern) = self.parameter.get("AllowedPattern").map(text) else { return Ok(()) };
        let invalid = |error: fancy_regex::Error| {
            let name = self.name;
            TemplateError(format!(
                "AllowedPattern of parameter {name} cannot be evaluated: {error}"
            ))
        };
        // The pattern must match the whole value.
        let whole = Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(invalid)?;
        if !whole.is_match(value).map_err(invalid)? {
            return Err(self.violation(&format!("must match the pattern {pattern}")));
        }
        Ok(())
    }

    /// `MinLength` and `MaxLength`, in characters.
    fn check_length(&self, value: &str) -> Result<(), TemplateError> {
        let length = u32::try_from(value.chars().count()).unwrap_or(u32::MAX);
        self.check_bounds(length.into(), "MinLength", "MaxLength", "characters")
    }

    /// `MinValue` and `MaxValue`.
    fn check_range(&self, number: &Number) -> Result<(), TemplateError> {
        self.check_bounds(number.as_f64().unwrap_or(f64::NAN), "MinValue", "MaxValue", "")
    }

    fn check_bounds(
        &self,
        value: f64,
        min: &str,
        max: &str,
        unit: &str,
    ) -> Result<(), TemplateError> {
        let bound = |name| {
            let bound = self.parameter.get(name).map(text);
            bound.and_then(|bound| bound.parse::<f64>().ok())
        };
        let bounds = (bound(min), bound(max));
        let (least, most) =
            (bounds.0.unwrap_or(f64::NEG_INFINITY), bounds.1.unwrap_or(f64::INFINITY));
        if (least..=most).contains(&value) {
            return Ok(());
        }
        let range = match bounds {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            _ => format!("at most {most}"),
        };
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        Err(self.violation(&format!("must be {range}{unit}")))
    }

    /// The error for a value that is not allowed, with the `ConstraintDescription` if the parameter has one.
    fn violation(&self, problem: &str) -> TemplateError {
        let Self { name, parameter } = self;
        let description = parameter.get("ConstraintDescription").and_then(Value::as_str);
        TemplateError(match description {
            Some(description) => format!("parameter {name} {problem}: {description}"),
            None => format!("parameter {name} {problem}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_meet_the_constraints_of_their_parameter() {
        let name = json!({"Type": "String", "AllowedPattern": "^(?!aws/)[a-z/]+$"});
        let described =
            json!({"Type": "String", "AllowedPattern": "a|ab", "ConstraintDescription": "a or ab"});
        let list = json!({"Type": "CommaDelimitedList", "Default": "", "AllowedPattern": "[a-z]*"});
        let number = json!({"Type": "Number", "MinValue": 1, "MaxValue": "10"});
        let open = json!({"Type": "Number", "MinValue": -1});
        let short = json!({"Type": "String", "MaxLength": 3});
        let long = json!({"Type": "String", "MinLength": 2});
        let choice = json!({"Type": "String", "AllowedValues": ["yes", "no"], "Default": "maybe"});
        let numbers = json!({"Type": "Number", "AllowedValues": [1, 7]});
        let broken = json!({"Type": "String", "AllowedPattern": "("});
        let rows = [
            ("a match", &name, Some("a/b"), Ok(json!("a/b"))),
            ("a lookahead", &name, Some("aws/b"), Err("must match the pattern ^(?!aws/)[a-z/]+$")),
            ("a line feed at the end", &name, Some("a\n"), Err("must match the pattern")),
            ("the second alternative", &described, Some("ab"), Ok(json!("ab"))),
            ("a part", &described, Some("abc"), Err("must match the pattern a|ab: a or ab")),
            ("a list", &list, Some("a, b"), Ok(json!(["a", "b"]))),
            ("a default list", &list, None, Ok(json!([""]))),
            ("an item", &list, Some("a,B"), Err("must match the pattern [a-z]*")),
            ("a number", &number, Some("10"), Ok(json!(10))),
            ("a large number", &number, Some("11"), Err("must be from 1 to 10")),
            ("a small number", &number, Some("0.5"), Err("must be from 1 to 10")),
            ("no number", &number, Some("ten"), Err("must be a number")),
            ("a bound", &open, Some("-1"), Ok(json!(-1))),
            ("a number below a bound", &open, Some("-2"), Err("must be at least -1")),
            ("characters", &short, Some("äöü"), Ok(json!("äöü"))),
            ("too many characters", &short, Some("abcd"), Err("must be at most 3 characters")),
            ("too few characters", &long, Some("a"), Err("must be at least 2 characters")),
            ("a choice", &choice, Some("no"), Ok(json!("no"))),
            ("another choice", &choice, Some("NO"), Err("does not allow the value NO")),
            ("a default that is not allowed", &choice, None, Err("does not allow the value maybe")),
            ("a number of a list", &numbers, Some("7"), Ok(json!(7))),
            ("another number", &numbers, Some("8"), Err("does not allow the value 8")),
            ("no value", &name, None, Err("needs a value")),
            ("a malformed pattern", &broken, Some("a"), Err("cannot be evaluated")),
        ];
        for (row, parameter, given, expected) in rows {
            match (value_of("P", parameter, given), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{row}"),
                (Err(TemplateError(message)), Err(expected)) => {
                    assert!(message.contains(expected), "{row}: {message}");
                    assert!(message.contains("parameter P"), "{row}: {message}");
                }
                (actual, expected) => panic!("{row}: {actual:?}, expected {expected:?}"),
            }
        }
    }
}
