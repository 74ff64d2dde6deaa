//! The functions of a template.

use std::{collections::BTreeMap, iter, time::Duration};

use serde_json::Value;

use super::{error::StackError, options::StackOptions, properties::property, roles::role_of};
use crate::{
    kms::Kms,
    lambda::{FunctionConfig, FunctionError},
    template::{Resolver, Template, TemplateError, text, whole_number},
};

/// The configuration of a function.
pub(super) fn function_config(
    id: &str,
    resource: &Value,
    template: &Template,
    resolver: &Resolver,
    kms: &Kms,
    api_url: &ApiUrl,
    options: &StackOptions,
) -> Result<FunctionConfig, StackError> {
    let variables = |value: Option<&Value>| {
        let variables = value.and_then(|value| value.get("Variables")).unwrap_or(&Value::Null);
        resolver.resolve(variables)
    };
    let defaults = variables(template.function_default("Environment"))?;
    let own = variables(property(resource, "/Environment").ok())?;
    let mut environment = BTreeMap::new();
    for values in [&defaults, &own] {
        let values = values.as_object().into_iter().flatten();
        environment
            .extend(values.map(|(name, value)| (name.clone(), api_url.localize(&text(value)))));
    }
    environment.extend(options.overrides.clone());
    if role_of(resource).is_none() {
        return Err(TemplateError(format!("{id} needs a Role that the template defines")).into());
    }
    environment.extend(
        [
            ("AWS_REGION", &*options.region),
            ("AWS_DEFAULT_REGION", &*options.region),
            // It identifies the role and the function in KMS, which does not verify signatures.
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_KMS", &format!("http://{}", kms.address())),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let number = |name: &str, default: u64| -> Result<u64, TemplateError> {
        let value =
            property(resource, &format!("/{name}")).ok().or(template.function_default(name));
        let Some(value) = value.map(|value| resolver.resolve(value)).transpose()? else {
            return Ok(default);
        };
        whole_number(&value).ok_or_else(|| TemplateError(format!("{id} has no numeric {name}")))
    };
    let binary = resource.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str);
    let binary = binary
        .ok_or_else(|| TemplateError(format!("{id} lacks Metadata.BuildProperties.Binary")))?;
    Ok(FunctionConfig {
        name: id.to_owned(),
        function_name: function_name(id, resource, resolver)?,
        binary: binary.to_owned(),
        region: options.region.clone(),
        environment: environment.into_iter().collect(),
        files: Vec::new(),
        memory: number("MemorySize", 128)?,
        timeout: Duration::from_secs(number("Timeout", 3)?),
    })
}

/// The URL of the API as the template composes it, and on this machine.
pub(super) struct ApiUrl {
    pub(super) deployed: String,
    pub(super) local: String,
}

impl ApiUrl {
    /// Replaces the deployed URL with the local one.
    fn localize(&self, value: &str) -> String {
        value.replace(&self.deployed, &self.local)
    }
}

/// If the template sets a variable to a parameter, an override of the variable applies to the parameter too. The
/// key alias, for example, must be the same for KMS and the functions.
pub(super) fn override_parameters(
    resolver: &mut Resolver,
    environment: Option<&Value>,
    overrides: &BTreeMap<String, String>,
) {
    let variables = environment.and_then(|value| value.get("Variables")).and_then(Value::as_object);
    for (name, value) in variables.into_iter().flatten() {
        let branches = value.get("Fn::If").and_then(Value::as_array).into_iter().flatten();
        let mut parameters = iter::once(value).chain(branches).map(|value| value.get("Ref"));
        let parameter = parameters.find_map(|name| name?.as_str());
        if let (Some(parameter), Some(value)) = (parameter, overrides.get(name)) {
            resolver.define(parameter, value.as_str().into());
        }
    }
}

/// The name of a function in its ARN: `FunctionName`, or by default the logical id.
pub(super) fn function_name(
    id: &str,
    resource: &Value,
    resolver: &Resolver,
) -> Result<String, TemplateError> {
    let name = resource.pointer("/Properties/FunctionName");
    name.map_or(Ok(id.to_owned()), |name| resolver.resolve(name).map(|name| text(&name)))
}

/// The message for a function that did not start, with each problem of its settings on a separate line.
pub(super) fn start_problem(name: &str, error: &FunctionError) -> String {
    format!("{name} did not start: {}", error.to_string().replace("; ", "\n  "))
}
