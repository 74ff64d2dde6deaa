//! Reads a deployment template as CloudFormation does, as far as the local stack needs it.

mod error;
mod parameters;
mod resolver;
mod rules;
mod yaml;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use self::{error::TemplateError, resolver::Resolver};

pub(crate) use self::resolver::{text, whole_number};

/// Reads a YAML or JSON document. A tag of CloudFormation becomes an object with the function as its only member.
///
/// # Errors
/// If the text is not one document, or has an alias.
pub fn parse_yaml(text: &str) -> Result<Value, TemplateError> {
    yaml::parse(text)
}

/// A template. Its values can contain intrinsic functions, which a [`Resolver`] evaluates.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use countersign_local::template::Template;
/// use serde_json::json;
///
/// let template = Template::parse(
///     "
/// Parameters:
///   Name: {Type: String, Default: orders}
/// Resources:
///   Key: {Type: 'AWS::KMS::Key', Properties: {Description: !Sub 'Key of ${Name}'}}
/// ",
/// )?;
/// let resolver = template.resolver("us-east-1", &BTreeMap::new())?;
/// for (_, key) in template.resources("AWS::KMS::Key") {
///     let properties = resolver.resolve(&key["Properties"])?;
///     assert_eq!(properties, json!({"Description": "Key of orders"}));
/// }
/// # Ok::<(), countersign_local::template::TemplateError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Template {
    root: Map<String, Value>,
}

impl Template {
    /// Parses YAML with the tags of CloudFormation, or JSON.
    ///
    /// # Errors
    /// If the text is neither, or has no `Resources`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        match yaml::parse(text)? {
            Value::Object(root) if root.contains_key("Resources") => Ok(Self { root }),
            _ => Err(TemplateError("the template has no Resources".into())),
        }
    }

    /// Returns a resolver with the mappings, the conditions, the pseudo parameters and the parameters. Parameters
    /// without a value have their default. [`Self::check_rules`] checks the rules that relate them to each other.
    ///
    /// # Errors
    /// If a value is of an unknown parameter, if the parameter does not allow it, or if a parameter has none.
    pub fn resolver(
        &self,
        region: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Resolver, TemplateError> {
        let mut resolver = Resolver::new(region);
        let parameters: BTreeMap<_, _> = self.section("Parameters").collect();
        if let Some(name) = values.keys().find(|name| !parameters.contains_key(&***name)) {
            return Err(TemplateError(format!("unknown parameter {name}")));
        }
        for (name, parameter) in parameters {
            let given = values.get(name).map(String::as_str);
            resolver.define(name, parameters::value_of(name, parameter, given)?);
        }
        for (name, mapping) in self.section("Mappings") {
            resolver.define_mapping(name, mapping.clone());
        }
        for (name, condition) in self.section("Conditions") {
            resolver.define_condition(name, condition.clone());
        }
        Ok(resolver)
    }

    /// The resources of a type with their logical ids, regardless of their conditions.
    pub fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.section("Resources")
            .filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
    }

    /// The resources of a type whose condition is true or absent, with their logical ids.
    ///
    /// # Errors
    /// If a condition is malformed or not defined.
    pub fn active_resources<'a>(
        &'a self,
        kind: &'a str,
        resolver: &Resolver,
    ) -> Result<Vec<(&'a str, &'a Value)>, TemplateError> {
        let mut active = Vec::new();
        for (id, resource) in self.resources(kind) {
            if resolver.is_active(resource)? {
                active.push((id, resource));
            }
        }
        Ok(active)
    }

    /// The resolved properties of the active resources of a type, by logical id.
    pub(crate) fn active_properties(
        &self,
        kind: &str,
        resolver: &Resolver,
    ) -> Result<BTreeMap<String, Value>, TemplateError> {
        let resolved = self.active_resources(kind, resolver)?.into_iter().map(|(id, resource)| {
            let properties = resource.get("Properties").unwrap_or(&Value::Null);
            Ok((id.to_owned(), resolver.resolve(properties)?))
        });
        resolved.collect()
    }

    /// A property of all functions, from `Globals`.
    #[must_use]
    pub fn function_default(&self, property: &str) -> Option<&Value> {
        self.root.get("Globals")?.get("Function")?.get(property)
    }

    /// The members of a top-level section, for example `Parameters` or `Mappings`.
    pub fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        let members = self.root.get(name).and_then(Value::as_object);
        members.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}
