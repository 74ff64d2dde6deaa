//! The API of `deploy/demo.yaml`, which is served at the address of the stack's API.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    apis::{authorizer_arn, is_arn_of, resolver, serverless_api},
    options::{ApiTemplate, StackOptions},
    properties::property,
};
use crate::{
    lambda::HostedFunction,
    template::{Template, TemplateError},
};

/// The template of the API.
pub(super) struct Demo {
    source: ApiTemplate,
    pub(super) template: Template,
}

impl Demo {
    pub(super) fn parse() -> Result<Self, TemplateError> {
        let source = ApiTemplate { name: NAME.into(), text: TEXT.into() };
        let template = source.parse()?;
        Ok(Self { source, template })
    }

    /// The properties of the API.
    pub(super) fn api(&self, options: &StackOptions) -> Result<Value, TemplateError> {
        let resolved = resolver(&self.template, None, options).and_then(|resolver| {
            let (_, api) = serverless_api(&self.template)?;
            resolver.resolve(property(api, "")?)
        });
        resolved.map_err(|error| self.source.locate(error))
    }
}

/// Whether the authorizer of an API is one of these functions. The template of another stack can name its functions
/// differently.
pub(super) fn has_authorizer(
    api: &Value,
    functions: &BTreeMap<String, Arc<HostedFunction>>,
) -> bool {
    authorizer_arn(api).is_some_and(|arn| functions.keys().any(|name| is_arn_of(arn, name)))
}

const NAME: &str = "deploy/demo.yaml";
const TEXT: &str = include_str!("../../../../deploy/demo.yaml");
