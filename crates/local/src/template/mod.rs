//! The deployment template, read as CloudFormation would read it, as far as this machine needs it.

mod scope;
mod yaml;

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

    /// The parameters with their defaults, and CloudFormation's own.
    #[must_use]
    pub fn scope(&self, region: &str) -> Scope {
        let mut scope = Scope::new(region);
        for (name, parameter) in self.section("Parameters") {
            if let Some(default) = parameter.get("Default") {
                scope.define(name, default.clone());
            }
        }
        for (name, condition) in self.section("Conditions") {
            scope.define_condition(name, condition.clone());
        }
        scope
    }

    /// The resources of one type, with their logical ids.
    pub fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.section("Resources")
            .filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
    }

    /// A property that all functions have, from `Globals`.
    #[must_use]
    pub fn function_default(&self, property: &str) -> Option<&Value> {
        self.root.get("Globals")?.get("Function")?.get(property)
    }

    fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        let members = self.root.get(name).and_then(Value::as_object);
        members.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}
