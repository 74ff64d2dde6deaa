//! The options of a stack.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    kms::KmsOptions,
    lambda::Bootstrap,
    oidc_provider::OidcOptions,
    template::{Resolver, Template, TemplateError},
};

/// How a stack is started.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// The folder of the template. Relative paths in the template start from it.
    pub folder: PathBuf,
    /// The port of the gateway. 0 selects a free port.
    pub port: u16,
    /// The options of KMS.
    pub kms: KmsOptions,
    /// The options of an `OpenID` Connect provider. Without them, there is none.
    pub oidc: Option<OidcOptions>,
    /// The AWS Region in all ARNs.
    pub region: String,
    /// How the binaries of functions are started.
    pub bootstrap: Bootstrap,
    /// Values of parameters of the template and of those of other APIs.
    pub parameters: BTreeMap<String, String>,
    /// An executable that replaces the authorizer of the template.
    pub authorizer: Option<PathBuf>,
    /// The templates of other APIs that use the authorizer of the stack.
    pub apis: Vec<ApiTemplate>,
    /// Environment variables that override those of the template in every function.
    pub overrides: BTreeMap<String, String>,
}

impl StackOptions {
    /// Free ports, the Region us-east-1, and the defaults of a template in the working directory.
    #[must_use]
    pub fn new(bootstrap: Bootstrap) -> Self {
        Self {
            folder: PathBuf::from("."),
            port: 0,
            kms: KmsOptions::default(),
            oidc: None,
            region: "us-east-1".into(),
            bootstrap,
            parameters: BTreeMap::new(),
            authorizer: None,
            apis: Vec::new(),
            overrides: BTreeMap::new(),
        }
    }
}

impl StackOptions {
    /// The values of the parameters and pseudo parameters of a template.
    pub(super) fn resolver(
        &self,
        template: &Template,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Resolver, TemplateError> {
        template.resolver(&self.region, parameters)
    }
}

/// The template of another API.
#[derive(Debug, Clone)]
pub struct ApiTemplate {
    /// The name for messages.
    pub name: String,
    /// The template.
    pub text: String,
}

impl ApiTemplate {
    pub(super) fn parse(&self) -> Result<Template, TemplateError> {
        Template::parse(&self.text).map_err(|error| self.locate(error))
    }

    /// An error with the name of the template.
    pub(super) fn locate(&self, TemplateError(message): TemplateError) -> TemplateError {
        TemplateError(format!("{}: {message}", self.name))
    }
}
