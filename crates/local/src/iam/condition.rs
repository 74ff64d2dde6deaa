//! Conditions of statements ("IAM JSON policy elements: Condition" in the IAM user guide).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de};
use serde_json::Value;

use super::pattern::{matches, matches_arn};

/// The values of the condition keys of a request. Names of keys are case-insensitive.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConditionContext(BTreeMap<String, Vec<String>>);

/// The `Condition` of a statement: all clauses must be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConditionBlock(Vec<Clause>);

/// One condition key with an operator and the values to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    operator: Operator,
    set: SetOperator,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

/// A condition operator, without a set operator and `IfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    StringEquals,
    StringNotEquals,
    StringLike,
    StringNotLike,
    Arn,
    NotArn,
    NumericGreaterThanEquals,
    Bool,
    Null,
}

/// How many values of a key must match ("Multivalued context keys" in the IAM user guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetOperator {
    /// No set operator: the key has a single value.
    Single,
    ForAnyValue,
    ForAllValues,
}

impl ConditionContext {
    /// Sets the values of a key. Without values, the key is absent.
    pub fn set<V: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = V>) {
        self.0.insert(key.to_ascii_lowercase(), values.into_iter().map(Into::into).collect());
    }

    /// The keys of both contexts. If both have a key, the values of `other` apply.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        merged.0.extend(other.0.clone());
        merged
    }

    fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }
}

impl ConditionBlock {
    pub(super) fn is_met(&self, context: &ConditionContext) -> bool {
        self.0.iter().all(|clause| clause.is_met(context.get(&clause.key)))
    }
}

impl Clause {
    fn is_met(&self, actual: &[String]) -> bool {
        if self.operator == Operator::Null {
            let is_null = actual.is_empty().to_string();
            return self.values.iter().any(|value| value.eq_ignore_ascii_case(&is_null));
        }
        if actual.is_empty() && self.if_exists {
            return true;
        }
        let mut matches = actual.iter().map(|value| self.matches(value));
        match self.set {
            SetOperator::ForAnyValue => matches.any(|is_match| is_match),
            SetOperator::ForAllValues => matches.all(|is_match| is_match),
            SetOperator::Single if actual.is_empty() => self.operator.is_negated(),
            SetOperator::Single => actual.len() == 1 && matches.all(|is_match| is_match),
        }
    }

    fn matches(&self, actual: &str) -> bool {
        let any = |matches: fn(&str, &str) -> bool| {
            self.values.iter().any(|value| matches(value, actual))
        };
        match self.operator {
            Operator::StringEquals => any(|value, actual| value == actual),
            Operator::StringNotEquals => !any(|value, actual| value == actual),
            Operator::StringLike => any(matches),
            Operator::StringNotLike => !any(matches),
            Operator::Arn => any(matches_arn),
            Operator::NotArn => !any(matches_arn),
            Operator::NumericGreaterThanEquals => any(|value, actual| {
                let numbers = actual.parse::<f64>().ok().zip(value.parse::<f64>().ok());
                numbers.is_some_and(|(actual, value)| actual >= value)
            }),
            Operator::Bool => any(str::eq_ignore_ascii_case),
            Operator::Null => false,
        }
    }
}

impl Operator {
    /// A condition with a negated operator is met if the key is absent.
    fn is_negated(self) -> bool {
        matches!(self, Self::StringNotEquals | Self::StringNotLike | Self::NotArn)
    }
}

impl<'de> Deserialize<'de> for ConditionBlock {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let operators = BTreeMap::<String, BTreeMap<String, Value>>::deserialize(input)?;
        let mut clauses = Vec::new();
        for (name, keys) in operators {
            let unknown = || {
                de::Error::custom(format!(
                    "condition operator {name} is not supported on this machine"
                ))
            };
            let (operator, set, if_exists) = operator(&name).ok_or_else(unknown)?;
            for (key, values) in keys {
                let values = match values {
                    Value::Array(values) => values,
                    value => vec![value],
                };
                let values = values.iter().map(|value| match value {
                    Value::String(text) => Ok(text.clone()),
                    Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
                    _ => Err(de::Error::custom(format!(
                        "condition key {key} has a value that is not a string, number or boolean"
                    ))),
                });
                let values = values.collect::<Result<_, _>>()?;
                let key = key.to_ascii_lowercase();
                clauses.push(Clause { operator, set, if_exists, key, values });
            }
        }
        Ok(Self(clauses))
    }
}

fn operator(name: &str) -> Option<(Operator, SetOperator, bool)> {
    let (set, name) = match name.split_once(':') {
        Some(("ForAnyValue", name)) => (SetOperator::ForAnyValue, name),
        Some(("ForAllValues", name)) => (SetOperator::ForAllValues, name),
        Some(_) => return None,
        None => (SetOperator::Single, name),
    };
    let stripped = name.strip_suffix("IfExists");
    let operator = match stripped.unwrap_or(name) {
        "StringEquals" => Operator::StringEquals,
        "StringNotEquals" => Operator::StringNotEquals,
        "StringLike" => Operator::StringLike,
        "StringNotLike" => Operator::StringNotLike,
        "ArnEquals" | "ArnLike" => Operator::Arn,
        "ArnNotEquals" | "ArnNotLike" => Operator::NotArn,
        "NumericGreaterThanEquals" => Operator::NumericGreaterThanEquals,
        "Bool" => Operator::Bool,
        "Null" if set == SetOperator::Single && stripped.is_none() => Operator::Null,
        _ => return None,
    };
    Some((operator, set, stripped.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_operator_is_evaluated() {
        let mut context = ConditionContext::default();
        context.set("one", ["a"]);
        context.set("Two", ["a", "b"]);
        context.set("number", ["30"]);
        context.set("arn", ["arn:aws:iam::1:role/r"]);
        context.set("none", Vec::<String>::new());
        let rows = [
            ("StringEquals", "one", json!("a"), true),
            ("StringEquals", "ONE", json!(["x", "a"]), true),
            ("StringEquals", "one", json!("A"), false),
            ("StringEquals", "missing", json!("a"), false),
            ("StringEqualsIfExists", "missing", json!("a"), true),
            ("StringEqualsIfExists", "one", json!("b"), false),
            // The IAM user guide does not define this case.
            ("StringEquals", "two", json!("a"), false),
            ("StringNotEquals", "one", json!("b"), true),
            ("StringNotEquals", "one", json!(["a", "b"]), false),
            ("StringNotEquals", "missing", json!("a"), true),
            ("StringLike", "one", json!("?"), true),
            ("StringLike", "one", json!("b*"), false),
            ("ArnEquals", "arn", json!("arn:aws:iam::1:role/*"), true),
            ("ArnLike", "arn", json!("arn:aws:iam::2:role/r"), false),
            ("ArnNotLike", "arn", json!("arn:aws:iam::1:role/*"), false),
            ("ArnNotEquals", "arn", json!("arn:aws:iam::2:role/r"), true),
            ("ArnNotLike", "missing", json!("arn:aws:iam::2:role/r"), true),
            ("StringNotLike", "one", json!("?"), false),
            ("StringNotLike", "one", json!(["b*", "c"]), true),
            ("StringNotLike", "missing", json!("*"), true),
            ("Null", "one", json!("false"), true),
            ("Null", "one", json!(true), false),
            ("Null", "missing", json!("true"), true),
            ("Null", "missing", json!(false), false),
            ("NumericGreaterThanEquals", "number", json!(30), true),
            ("NumericGreaterThanEquals", "number", json!("31"), false),
            ("NumericGreaterThanEquals", "one", json!(0), false),
            ("Bool", "one", json!("true"), false),
            ("ForAnyValue:StringEquals", "two", json!(["b", "c"]), true),
            ("ForAnyValue:StringEquals", "two", json!("c"), false),
            ("ForAnyValue:StringEquals", "none", json!("c"), false),
            ("ForAnyValue:StringEqualsIfExists", "missing", json!("a"), true),
            ("ForAnyValue:StringEqualsIfExists", "two", json!("c"), false),
            ("ForAllValues:StringEquals", "two", json!("a"), false),
            ("ForAllValues:StringEquals", "none", json!("a"), true),
            ("ForAllValues:StringNotEquals", "two", json!("b"), false),
            ("ForAllValues:StringNotEquals", "two", json!("c"), true),
        ];
        for (operator, key, values, expected) in rows {
            let written = json!({operator: {key: values}});
            let condition: ConditionBlock = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(condition.is_met(&context), expected, "{written}");
        }
    }

    #[test]
    fn all_clauses_must_be_met() {
        let mut context = ConditionContext::default();
        context.set("a", ["1"]);
        let is_met = |written: Value| {
            serde_json::from_value::<ConditionBlock>(written).unwrap().is_met(&context)
        };
        assert!(is_met(json!({"StringEquals": {"a": "1"}, "Bool": {"a": "1"}})));
        assert!(!is_met(json!({"StringEquals": {"a": "1", "b": "1"}})));
        assert!(!is_met(json!({"StringEquals": {"a": "1"}, "Bool": {"b": "true"}})));
    }

    #[test]
    fn unsupported_conditions_are_rejected() {
        for written in [
            json!({"StringMatches": {"a": "b"}}),
            json!({"ForSomeValues:StringEquals": {"a": "b"}}),
            json!({"StringEquals": {"a": null}}),
            json!({"NullIfExists": {"a": "true"}}),
            json!({"ForAnyValue:Null": {"a": "true"}}),
            json!({"StringEquals": "a"}),
            json!([]),
        ] {
            assert!(
                serde_json::from_value::<ConditionBlock>(written.clone()).is_err(),
                "{written}"
            );
        }
    }
}
