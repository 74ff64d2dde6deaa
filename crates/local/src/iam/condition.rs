//! The conditions of a statement.

use std::collections::BTreeMap;

use serde::{Deserialize, de};
use serde_json::Value;

use super::pattern::{matches, matches_arn};

/// What is known of a request, by the names of IAM's condition keys, which have no case.
#[derive(Debug, Clone, Default)]
pub struct Facts(BTreeMap<String, Vec<String>>);

/// All of a statement's conditions: each must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition(Vec<Clause>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    operator: Operator,
    set: Set,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

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

/// Which of a key's values must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Only,
    Any,
    All,
}

impl Facts {
    /// What this key has for values from now on: none is as if there were no such key.
    pub fn set<V: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = V>) {
        self.0.insert(key.to_ascii_lowercase(), values.into_iter().map(Into::into).collect());
    }

    /// These facts and others; the others count where both know a key.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let mut facts = self.clone();
        facts.0.extend(others.0.clone());
        facts
    }

    fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Condition {
    pub(super) fn holds(&self, facts: &Facts) -> bool {
        self.0.iter().all(|clause| clause.holds(facts.get(&clause.key)))
    }
}

impl Clause {
    fn holds(&self, facts: &[String]) -> bool {
        if self.operator == Operator::Null {
            let is_null = facts.is_empty().to_string();
            return self.values.iter().any(|value| value.eq_ignore_ascii_case(&is_null));
        }
        if facts.is_empty() && self.if_exists {
            return true;
        }
        let mut fits = facts.iter().map(|fact| self.fits(fact));
        match self.set {
            Set::Any => fits.any(|fits| fits),
            Set::All => fits.all(|fits| fits),
            Set::Only if facts.is_empty() => self.operator.is_negated(),
            Set::Only => facts.len() == 1 && fits.all(|fits| fits),
        }
    }

    fn fits(&self, fact: &str) -> bool {
        let any = |fits: fn(&str, &str) -> bool| self.values.iter().any(|value| fits(value, fact));
        match self.operator {
            Operator::StringEquals => any(|value, fact| value == fact),
            Operator::StringNotEquals => !any(|value, fact| value == fact),
            Operator::StringLike => any(matches),
            Operator::StringNotLike => !any(matches),
            Operator::Arn => any(matches_arn),
            Operator::NotArn => !any(matches_arn),
            Operator::NumericGreaterThanEquals => any(|value, fact| {
                let numbers = fact.parse::<f64>().ok().zip(value.parse::<f64>().ok());
                numbers.is_some_and(|(fact, value)| fact >= value)
            }),
            Operator::Bool => any(str::eq_ignore_ascii_case),
            Operator::Null => false,
        }
    }
}

impl Operator {
    /// Such a condition holds for a key that is not there.
    fn is_negated(self) -> bool {
        matches!(self, Self::StringNotEquals | Self::StringNotLike | Self::NotArn)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let operators = BTreeMap::<String, BTreeMap<String, Value>>::deserialize(input)?;
        let mut clauses = Vec::new();
        for (name, keys) in operators {
            let unknown = || de::Error::custom(format!("{name} is not known on this machine"));
            let (operator, set, if_exists) = operator(&name).ok_or_else(unknown)?;
            for (key, values) in keys {
                let values = match values {
                    Value::Array(values) => values,
                    value => vec![value],
                };
                let values = values.iter().map(|value| match value {
                    Value::String(text) => Ok(text.clone()),
                    Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
                    _ => Err(de::Error::custom(format!("{key} has a value that is none"))),
                });
                let values = values.collect::<Result<_, _>>()?;
                let key = key.to_ascii_lowercase();
                clauses.push(Clause { operator, set, if_exists, key, values });
            }
        }
        Ok(Self(clauses))
    }
}

fn operator(name: &str) -> Option<(Operator, Set, bool)> {
    let (set, name) = match name.split_once(':') {
        Some(("ForAnyValue", name)) => (Set::Any, name),
        Some(("ForAllValues", name)) => (Set::All, name),
        Some(_) => return None,
        None => (Set::Only, name),
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
        "Null" if set == Set::Only && stripped.is_none() => Operator::Null,
        _ => return None,
    };
    Some((operator, set, stripped.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operators() {
        let mut facts = Facts::default();
        facts.set("one", ["a"]);
        facts.set("Two", ["a", "b"]);
        facts.set("number", ["30"]);
        facts.set("arn", ["arn:aws:iam::1:role/r"]);
        facts.set("none", Vec::<String>::new());
        let rows = [
            ("StringEquals", "one", json!("a"), true),
            ("StringEquals", "ONE", json!(["x", "a"]), true),
            ("StringEquals", "one", json!("A"), false),
            ("StringEquals", "missing", json!("a"), false),
            ("StringEqualsIfExists", "missing", json!("a"), true),
            ("StringEqualsIfExists", "one", json!("b"), false),
            // IAM does not say what this does.
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
            ("ForAllValues:StringEquals", "two", json!("a"), false),
            ("ForAllValues:StringEquals", "none", json!("a"), true),
            ("ForAllValues:StringNotEquals", "two", json!("b"), false),
            ("ForAllValues:StringNotEquals", "two", json!("c"), true),
        ];
        for (operator, key, values, expected) in rows {
            let written = json!({operator: {key: values}});
            let condition: Condition = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(condition.holds(&facts), expected, "{written}");
        }
    }

    #[test]
    fn all_must_hold() {
        let mut facts = Facts::default();
        facts.set("a", ["1"]);
        let holds =
            |written: Value| serde_json::from_value::<Condition>(written).unwrap().holds(&facts);
        assert!(holds(json!({"StringEquals": {"a": "1"}, "Bool": {"a": "1"}})));
        assert!(!holds(json!({"StringEquals": {"a": "1", "b": "1"}})));
        assert!(!holds(json!({"StringEquals": {"a": "1"}, "Bool": {"b": "true"}})));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for written in [
            json!({"StringMatches": {"a": "b"}}),
            json!({"ForSomeValues:StringEquals": {"a": "b"}}),
            json!({"StringEquals": {"a": null}}),
            json!({"NullIfExists": {"a": "true"}}),
            json!({"ForAnyValue:Null": {"a": "true"}}),
            json!({"StringEquals": "a"}),
            json!([]),
        ] {
            assert!(serde_json::from_value::<Condition>(written.clone()).is_err(), "{written}");
        }
    }
}
