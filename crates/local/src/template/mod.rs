//! The deployment template, read as CloudFormation would read it, as far as this machine needs it.

mod scope;
mod yaml;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use self::scope::Scope;
pub(crate) use self::scope::text;

/// A template whose values may still hold intrinsic functions.
#[derive(Debug, Clone)]
pub struct Template {
    root: Map<String, Value>,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {0}")]
pub struct TemplateError(pub(crate) String);

impl Template {
    /// Reads YAML, with CloudFormation's tags, or JSON.
    ///
    /// # Errors
    /// When it is neither, or no template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        match yaml::parse(text)? {
            Value::Object(root) if root.contains_key("Resources") => Ok(Self { root }),
            _ => Err(TemplateError("there are no Resources".into())),
        }
    }

    /// The parameters with these values or their defaults, and CloudFormation's own.
    ///
    /// # Errors
    /// For a value that is for no parameter, and for one that the parameter does not allow.
    pub fn scope(
        &self,
        region: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Scope, TemplateError> {
        let mut scope = Scope::new(region);
        let parameters: BTreeMap<_, _> = self.section("Parameters").collect();
        if let Some(name) = values.keys().find(|name| !parameters.contains_key(&***name)) {
            return Err(TemplateError(format!("there is no parameter {name}")));
        }
        for (name, parameter) in parameters {
            let kind = parameter.get("Type").and_then(Value::as_str).unwrap_or_default();
            let allowed = parameter.get("AllowedValues").and_then(Value::as_array);
            let value = values.get(name);
            if let (Some(value), Some(allowed)) = (value, allowed)
                && !allowed.iter().any(|other| text(other) == *value)
            {
                return Err(TemplateError(format!("{name} cannot be {value}")));
            }
            let value = value.cloned().or_else(|| parameter.get("Default").map(text));
            let value = match (kind, value) {
                (_, None) => continue,
                ("Number", Some(number)) => serde_json::from_str(&number)
                    .map(Value::Number)
                    .map_err(|_| TemplateError(format!("{name} is not a number")))?,
                ("CommaDelimitedList", Some(items)) => items.split(',').map(str::trim).collect(),
                (_, Some(value)) => value.into(),
            };
            scope.define(name, value);
        }
        for (name, mapping) in self.section("Mappings") {
            scope.define_mapping(name, mapping.clone());
        }
        for (name, condition) in self.section("Conditions") {
            scope.define_condition(name, condition.clone());
        }
        Ok(scope)
    }

    /// The resources of one type, with their logical ids.
    pub fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.section("Resources")
            .filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
    }

    /// The resources of one type that there are: some depend on a condition.
    ///
    /// # Errors
    /// When a condition is none.
    pub fn made<'a>(
        &'a self,
        kind: &'a str,
        scope: &Scope,
    ) -> Result<Vec<(&'a str, &'a Value)>, TemplateError> {
        let mut made = Vec::new();
        for (id, resource) in self.resources(kind) {
            if scope.includes(resource)? {
                made.push((id, resource));
            }
        }
        Ok(made)
    }

    /// A property that all functions have, from `Globals`.
    #[must_use]
    pub fn function_default(&self, property: &str) -> Option<&Value> {
        self.root.get("Globals")?.get("Function")?.get(property)
    }

    /// The members of a top-level section: `Parameters`, `Mappings`.
    pub fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        let members = self.root.get(name).and_then(Value::as_object);
        members.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}
