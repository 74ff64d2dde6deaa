//! Evaluation of intrinsic functions and conditions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::TemplateError;
use crate::{account::ACCOUNT, partition::Partition};

/// Evaluates intrinsic functions and conditions.
#[derive(Debug, Clone)]
pub struct Resolver {
    names: BTreeMap<String, Value>,
    attributes: BTreeMap<(String, String), Value>,
    conditions: BTreeMap<String, Value>,
    mappings: BTreeMap<String, Value>,
}

impl Resolver {
    pub(super) fn new(region: &str) -> Self {
        let partition = Partition::of_region(region);
        let pseudo = [
            ("AWS::Region", region),
            ("AWS::AccountId", ACCOUNT),
            ("AWS::Partition", partition.name),
            ("AWS::URLSuffix", partition.url_suffix),
            ("AWS::StackName", "countersign"),
        ];
        let names = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        Self {
            names: names.collect(),
            attributes: BTreeMap::new(),
            conditions: BTreeMap::new(),
            mappings: BTreeMap::new(),
        }
    }

    /// Sets the value of `Ref` for a name.
    pub fn define(&mut self, name: &str, value: Value) {
        self.names.insert(name.to_owned(), value);
    }

    pub(super) fn define_condition(&mut self, name: &str, condition: Value) {
        self.conditions.insert(name.to_owned(), condition);
    }

    pub(super) fn define_mapping(&mut self, name: &str, mapping: Value) {
        self.mappings.insert(name.to_owned(), mapping);
    }

    /// Sets the value of `Fn::GetAtt` for an attribute of a resource.
    pub fn define_attribute(&mut self, resource: &str, attribute: &str, value: impl Into<Value>) {
        self.attributes.insert((resource.to_owned(), attribute.to_owned()), value.into());
    }

    /// Evaluates every intrinsic function in a value. List items and members that evaluate to `AWS::NoValue` are
    /// removed.
    ///
    /// # Errors
    /// If a name is not defined, or a function is malformed or not supported.
    pub fn resolve(&self, value: &Value) -> Result<Value, TemplateError> {
        Ok(self.resolve_optional(value)?.unwrap_or_default())
    }

    fn resolve_optional(&self, value: &Value) -> Result<Option<Value>, TemplateError> {
        match value {
            Value::Array(items) => {
                let items = items.iter().filter_map(|item| self.resolve_optional(item).transpose());
                items.collect::<Result<_, _>>().map(Some)
            }
            Value::Object(members) => match function(members) {
                Some(("Ref", name)) if name == "AWS::NoValue" => Ok(None),
                Some(("Fn::If", argument)) => self.resolve_optional(self.branch(argument)?),
                Some((name, argument)) => self.call(name, argument).map(Some),
                None => {
                    let members = members.iter().filter_map(|(name, value)| {
                        let value = self.resolve_optional(value).transpose()?;
                        Some(value.map(|value| (name.clone(), value)))
                    });
                    members.collect::<Result<_, _>>().map(Value::Object).map(Some)
                }
            },
            scalar => Ok(Some(scalar.clone())),
        }
    }

    /// The value that `Fn::If` selects.
    fn branch<'a>(&self, argument: &'a Value) -> Result<&'a Value, TemplateError> {
        let malformed = || TemplateError("Fn::If has a malformed argument".into());
        let name = argument.get(0).and_then(Value::as_str).ok_or_else(malformed)?;
        let branch = if self.is_true_named(name)? { 1 } else { 2 };
        argument.get(branch).ok_or_else(malformed)
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Value, TemplateError> {
        let malformed = || TemplateError(format!("{name} has a malformed argument"));
        match name {
            "Ref" => {
                let name = argument.as_str().ok_or_else(malformed)?;
                self.names.get(name).cloned().ok_or_else(|| undefined(name))
            }
            "Fn::GetAtt" => {
                let part = |index| argument.get(index).and_then(Value::as_str);
                let (resource, attribute) = part(0).zip(part(1)).ok_or_else(malformed)?;
                self.attribute(resource, attribute)
            }
            "Fn::FindInMap" => {
                let path = self.resolve(argument)?;
                let path = path.as_array().filter(|path| path.len() == 3).ok_or_else(malformed)?;
                let path: Vec<_> = path.iter().map(text).collect();
                let found = match &*path {
                    [map, first, second] => {
                        self.mappings.get(map).and_then(|map| map.get(first)?.get(second))
                    }
                    _ => None,
                };
                found.cloned().ok_or_else(|| undefined(&path.join(".")))
            }
            "Fn::Join" => {
                let separator = argument.get(0).and_then(Value::as_str).ok_or_else(malformed)?;
                let items = self.resolve(argument.get(1).ok_or_else(malformed)?)?;
                let items = items.as_array().ok_or_else(malformed)?;
                Ok(items.iter().map(text).collect::<Vec<_>>().join(separator).into())
            }
            "Fn::Split" => {
                let separator = argument.get(0).and_then(Value::as_str).ok_or_else(malformed)?;
                let joined = self.resolve(argument.get(1).ok_or_else(malformed)?)?;
                Ok(joined.as_str().ok_or_else(malformed)?.split(separator).collect())
            }
            "Fn::Select" => {
                let index = self.resolve(argument.get(0).ok_or_else(malformed)?)?;
                let index: usize = text(&index).parse().map_err(|_| malformed())?;
                let items = self.resolve(argument.get(1).ok_or_else(malformed)?)?;
                items.get(index).cloned().ok_or_else(malformed)
            }
            "Fn::Sub" => {
                let pattern = argument.as_str().or_else(|| argument.get(0)?.as_str());
                let variables = self.resolve(argument.get(1).unwrap_or(&json!({})))?;
                let variables = variables.as_object().ok_or_else(malformed)?;
                self.substitute(pattern.ok_or_else(malformed)?, variables)
            }
            _ => Err(TemplateError(format!("{name} is not supported on this machine"))),
        }
    }

    /// Whether the condition of a resource is true or absent.
    pub(super) fn is_active(&self, resource: &Value) -> Result<bool, TemplateError> {
        let Some(name) = resource.get("Condition").and_then(Value::as_str) else { return Ok(true) };
        self.is_true_named(name)
    }

    fn is_true_named(&self, condition: &str) -> Result<bool, TemplateError> {
        self.is_true(self.conditions.get(condition).ok_or_else(|| undefined(condition))?)
    }

    /// Whether a condition, or the assertion of a rule, is true.
    pub(super) fn is_true(&self, condition: &Value) -> Result<bool, TemplateError> {
        let malformed = || TemplateError("a condition is malformed".into());
        let members = condition.as_object().ok_or_else(malformed)?;
        if let Some(name) = members.get("Condition") {
            return self.is_true_named(name.as_str().ok_or_else(malformed)?);
        }
        let (name, argument) = function(members).ok_or_else(malformed)?;
        match (name, argument.as_array().map(Vec::as_slice)) {
            ("Fn::Equals", Some([one, other])) => {
                Ok(text(&self.resolve(one)?) == text(&self.resolve(other)?))
            }
            ("Fn::Not", Some([condition])) => Ok(!self.is_true(condition)?),
            ("Fn::And" | "Fn::Or", Some(conditions)) => {
                let is_and = name == "Fn::And";
                let results = conditions.iter().map(|condition| self.is_true(condition));
                let results = results.collect::<Result<Vec<_>, _>>()?;
                Ok(if is_and { !results.contains(&false) } else { results.contains(&true) })
            }
            ("Fn::Contains", Some([list, value])) => {
                Ok(self.texts(list)?.contains(&text(&self.resolve(value)?)))
            }
            ("Fn::EachMemberEquals", Some([list, value])) => {
                let value = text(&self.resolve(value)?);
                Ok(self.texts(list)?.iter().all(|item| *item == value))
            }
            ("Fn::EachMemberIn", Some([list, others])) => {
                let others = self.texts(others)?;
                Ok(self.texts(list)?.iter().all(|item| others.contains(item)))
            }
            _ => Err(malformed()),
        }
    }

    /// The items of a list as text.
    fn texts(&self, list: &Value) -> Result<Vec<String>, TemplateError> {
        let list = self.resolve(list)?;
        let items = list.as_array().ok_or_else(|| TemplateError("a list is needed".into()))?;
        Ok(items.iter().map(text).collect())
    }

    fn substitute(
        &self,
        pattern: &str,
        variables: &Map<String, Value>,
    ) -> Result<Value, TemplateError> {
        let mut result = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| TemplateError("Fn::Sub contains ${ without }".into()))?;
            result.push_str(before);
            match name.strip_prefix('!') {
                Some(literal) => result.extend(["${", literal, "}"]),
                None => result.push_str(&text(&self.value(name, variables)?)),
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(result.into())
    }

    fn value(&self, name: &str, variables: &Map<String, Value>) -> Result<Value, TemplateError> {
        if let Some(value) = variables.get(name).or_else(|| self.names.get(name)) {
            return Ok(value.clone());
        }
        let (resource, attribute) = name.split_once('.').ok_or_else(|| undefined(name))?;
        self.attribute(resource, attribute)
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<Value, TemplateError> {
        let key = (resource.to_owned(), attribute.to_owned());
        let known = self.attributes.get(&key).cloned();
        known.ok_or_else(|| undefined(&format!("{resource}.{attribute}")))
    }
}

/// A scalar as CloudFormation inserts it into a string.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A whole number of seconds or megabytes. Parts of a parameter are text.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    text(value).parse().ok()
}

/// The name and argument of an intrinsic function: an object whose only member has such a name.
fn function(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = members.iter().next().filter(|_| members.len() == 1)?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name, argument))
}

fn undefined(name: &str) -> TemplateError {
    TemplateError(format!("{name} is not defined"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intrinsic_functions_are_evaluated() {
        let mut resolver = Resolver::new("eu-west-1");
        resolver.define("Name", json!("n"));
        resolver.define("Number", json!(7));
        resolver.define_attribute("Key", "Arn", "arn:key");
        resolver.define_condition("IsN", json!({"Fn::Equals": [{"Ref": "Name"}, "n"]}));
        resolver.define_condition(
            "IsNot",
            json!({"Fn::Not": [{"Fn::Equals": [8, {"Ref": "Number"}]}]}),
        );
        let two = json!([{"Condition": "IsN"}, {"Fn::Not": [{"Condition": "IsN"}]}]);
        resolver.define_condition("Both", json!({"Fn::And": two}));
        resolver.define_condition("Either", json!({"Fn::Or": two}));
        resolver.define_mapping("M", json!({"n": {"b": "c"}}));
        let undefined = |name| Err(TemplateError(format!("{name} is not defined")));
        let rows = [
            ("a scalar", json!(true), Ok(json!(true))),
            ("a nested Ref", json!({"a": [{"Ref": "Name"}]}), Ok(json!({"a": ["n"]}))),
            ("a Ref to a number", json!({"Ref": "Number"}), Ok(json!(7))),
            ("an attribute", json!({"Fn::GetAtt": ["Key", "Arn"]}), Ok(json!("arn:key"))),
            ("a join", json!({"Fn::Join": ["/", ["a", {"Ref": "Number"}]]}), Ok(json!("a/7"))),
            (
                "a split",
                json!({"Fn::Split": [",", {"Fn::Sub": "${Name},m"}]}),
                Ok(json!(["n", "m"])),
            ),
            (
                "a selection of a split",
                json!({"Fn::Select": [1, {"Fn::Split": ["=", {"Fn::Sub": "a=${Name}"}]}]}),
                Ok(json!("n")),
            ),
            ("a selection by text", json!({"Fn::Select": ["0", ["a", "b"]]}), Ok(json!("a"))),
            (
                "a selection beyond the list",
                json!({"Fn::Select": [2, ["a", "b"]]}),
                Err(TemplateError("Fn::Select has a malformed argument".into())),
            ),
            (
                "Sub",
                json!({"Fn::Sub": "${AWS::Region}:${Key.Arn}:${!x}"}),
                Ok(json!("eu-west-1:arn:key:${x}")),
            ),
            (
                "Sub with variables",
                json!({"Fn::Sub": ["${a}${Name}", {"a": {"Ref": "Name"}}]}),
                Ok(json!("nn")),
            ),
            ("If", json!({"Fn::If": ["IsN", {"Ref": "Number"}, 8]}), Ok(json!(7))),
            (
                "If with a Ref to a string",
                json!({"Fn::If": ["IsN", {"Ref": "Name"}, 6]}),
                Ok(json!("n")),
            ),
            (
                "no value",
                json!([{"Fn::If": ["IsNot", {"a": {"Ref": "AWS::NoValue"}}, 7]}, {"Ref": "AWS::NoValue"}]),
                Ok(json!([{}])),
            ),
            ("a mapping", json!({"Fn::FindInMap": ["M", {"Ref": "Name"}, "b"]}), Ok(json!("c"))),
            ("an undefined mapping", json!({"Fn::FindInMap": ["M", "n", "d"]}), undefined("M.n.d")),
            ("an And condition", json!({"Fn::If": ["Both", 1, 2]}), Ok(json!(2))),
            ("an Or condition", json!({"Fn::If": ["Either", 1, 2]}), Ok(json!(1))),
            ("an undefined condition", json!({"Fn::If": ["Is", 1, 2]}), undefined("Is")),
            ("an undefined name", json!({"Ref": "Missing"}), undefined("Missing")),
            ("an undefined attribute", json!({"Fn::Sub": "${Key.Id}"}), undefined("Key.Id")),
            (
                "an unsupported function",
                json!({"Fn::ImportValue": "x"}),
                Err(TemplateError("Fn::ImportValue is not supported on this machine".into())),
            ),
        ];
        for (name, value, expected) in rows {
            assert_eq!(resolver.resolve(&value), expected, "{name}");
        }
    }
}
