//! The APIs of other templates, which use the authorizer of the stack.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use serde_json::Value;

use super::{
    error::StackError,
    listener::listen,
    log_groups::define_log_groups,
    options::{ApiTemplate, StackOptions},
};
use crate::{
    gateway::{Gateway, GatewayContext, GatewayError, ROOT_RESOURCE},
    template::{Resolver, Template, TemplateError},
};

/// Starts the APIs, each on a separate port: those that follow the port of the stack's API, or free ones.
pub(super) async fn start_apis(
    templates: &[(&ApiTemplate, Template)],
    authorizer: Option<&str>,
    context: &GatewayContext,
    options: &StackOptions,
) -> Result<Vec<Gateway>, StackError> {
    let mut gateways = Vec::new();
    let mut port = options.port;
    for (source, template) in templates {
        // 0 selects a free port.
        port = if port == 0 { 0 } else { port.saturating_add(1) };
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let listener = listen(loopback, port, "an API", "--port").await?;
        let resolver =
            resolver(template, authorizer, options).map_err(|error| source.locate(error))?;
        let has = |kind: &str| template.resources(kind).next().is_some();
        let context = context.clone();
        let gateway = if is_websocket_api(template) {
            Gateway::start_websocket_api(listener, template, &resolver, context)
        } else if has("AWS::ApiGatewayV2::Api") {
            Gateway::start_http_api(listener, template, &resolver, context)
        } else if has(REST_API) {
            Gateway::start_rest_api(listener, template, &resolver, context)
        } else {
            let kinds = format!("{REST_API} and AWS::ApiGatewayV2::Api");
            let problem = format!("there is no API that can be served: {kinds} are supported");
            Err(TemplateError(problem).into())
        };
        gateways.push(gateway.map_err(|error| match error {
            GatewayError::Template(error) => GatewayError::Template(source.locate(error)),
            error @ GatewayError::Listen(_) => error,
        })?);
    }
    Ok(gateways)
}

/// The resolver of a template with its own parameters. The parameter `AuthorizerArn` is the authorizer of the stack,
/// unless it is given.
pub(super) fn resolver(
    template: &Template,
    authorizer: Option<&str>,
    options: &StackOptions,
) -> Result<Resolver, TemplateError> {
    let mut parameters = own_parameters(template, &options.parameters);
    if let Some(arn) = authorizer
        && template.section("Parameters").any(|(name, _)| name == AUTHORIZER_PARAMETER)
    {
        parameters.entry(AUTHORIZER_PARAMETER.to_owned()).or_insert_with(|| arn.to_owned());
    }
    let mut resolver = options.resolver(template, &parameters)?;
    template.check_rules(&resolver)?;
    for (id, _) in template.section("Resources") {
        resolver.define(id, id.into());
    }
    define_log_groups(template, &mut resolver, &options.region);
    for (id, _) in template.resources(REST_API) {
        resolver.define_attribute(id, "RootResourceId", ROOT_RESOURCE);
    }
    Ok(resolver)
}

fn is_websocket_api(template: &Template) -> bool {
    let mut apis = template.resources("AWS::ApiGatewayV2::Api");
    apis.any(|(_, api)| {
        api.pointer("/Properties/ProtocolType").and_then(Value::as_str) == Some("WEBSOCKET")
    })
}

/// The values of the parameters that a template has.
pub(super) fn own_parameters(
    template: &Template,
    values: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let names = template.section("Parameters").map(|(name, _)| name);
    let own = names.filter_map(|name| Some((name.to_owned(), values.get(name)?.clone())));
    own.collect()
}

/// Checks that each value is of a parameter of one of the templates.
pub(super) fn check_names(
    templates: &[&Template],
    values: &BTreeMap<String, String>,
) -> Result<(), TemplateError> {
    let is_known = |name: &&String| {
        templates.iter().any(|it| it.section("Parameters").any(|(own, _)| own == **name))
    };
    match values.keys().find(|name| !is_known(name)) {
        Some(name) => Err(TemplateError(format!("unknown parameter {name}"))),
        None => Ok(()),
    }
}

/// The REST API of a template, with its logical id.
pub(super) fn serverless_api(template: &Template) -> Result<(&str, &Value), TemplateError> {
    let missing = || TemplateError("the template has no AWS::Serverless::Api".into());
    template.resources("AWS::Serverless::Api").next().ok_or_else(missing)
}

/// The ARN of the first authorizer of a REST API with these properties.
pub(super) fn authorizer_arn(properties: &Value) -> Option<&str> {
    let authorizers = properties.pointer("/Auth/Authorizers")?.as_object()?;
    authorizers.values().find_map(|authorizer| authorizer.get("FunctionArn")?.as_str())
}

/// Whether an ARN is that of the function with this name.
pub(super) fn is_arn_of(arn: &str, function: &str) -> bool {
    arn.ends_with(&format!(":function:{function}"))
}

const REST_API: &str = "AWS::ApiGateway::RestApi";
const AUTHORIZER_PARAMETER: &str = "AuthorizerArn";
