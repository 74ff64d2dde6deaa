//! A stack: all resources of a template that run on this machine.

mod apis;
mod demo;
mod error;
mod functions;
mod keys;
mod layers;
mod listener;
mod log_groups;
mod options;
mod properties;
mod roles;

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, task::spawn_blocking};

pub use self::{
    error::StackError,
    options::{ApiTemplate, StackOptions},
    roles::DeployedRole,
};

use self::{
    apis::{authorizer_arn, check_names, is_arn_of, own_parameters, serverless_api, start_apis},
    demo::{Demo, has_authorizer},
    functions::{ApiUrl, function_config, function_name, override_parameters, start_problem},
    keys::{KeyReport, create_keys},
    layers::Layers,
    listener::listen,
    log_groups::define_log_groups,
    properties::property,
    roles::{deployed_role, role_arn, role_of},
};
use crate::{
    account::ACCOUNT,
    gateway::{API_ID, Gateway, GatewayContext, GatewayError},
    kms::{Kms, KmsOptions},
    lambda::{FunctionLogs, HostedFunction},
    oidc_provider::{OidcOptions, OidcProvider},
    partition::Partition,
    template::{Resolver, Template, TemplateError, text},
};

/// The API, the functions and the keys of a template. They stop when the stack is dropped.
#[derive(Debug)]
pub struct Stack {
    /// The API, and the one of `deploy/demo.yaml` at the same address.
    pub gateway: Gateway,
    /// The APIs of other templates.
    pub apis: Vec<Gateway>,
    /// The keys.
    pub kms: Kms,
    /// The `OpenID` Connect provider, if the options have it.
    pub oidc_provider: Option<OidcProvider>,
    /// The roles by logical id.
    pub roles: BTreeMap<String, DeployedRole>,
    /// The functions by logical id.
    pub functions: BTreeMap<String, Arc<HostedFunction>>,
    /// The logs of the functions.
    pub logs: FunctionLogs,
    /// Notices for the operator about the start.
    pub notices: Vec<String>,
}

impl Stack {
    /// Starts the resources of a template and waits until every function requests an event. The API of
    /// `deploy/demo.yaml` is served too, except for paths that the API of the template has itself, and only if the
    /// template has the function that the demo names as its authorizer.
    ///
    /// # Errors
    /// The first error; for invalid settings, the problems of all functions.
    pub async fn start(template: &str, options: &StackOptions) -> Result<Self, StackError> {
        let template = Template::parse(template)?;
        if !is_region(&options.region) {
            return Err(StackError::Region);
        }
        let partition = Partition::of_region(&options.region);
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let kms_listener = listen(loopback, options.kms.port, "KMS", "--kms-port").await?;
        let listener = listen(loopback, options.port, "the gateway", "--port").await?;
        let oidc_provider = start_oidc_provider(loopback, options.oidc.as_ref()).await?;
        let apis = options.apis.iter().map(|source| Ok((source, source.parse()?)));
        let apis = apis.collect::<Result<Vec<_>, TemplateError>>()?;
        let demo = Demo::parse()?;
        let all = [&template, &demo.template].into_iter();
        let all = all.chain(apis.iter().map(|(_, template)| template));
        check_names(&all.collect::<Vec<_>>(), &options.parameters)?;
        let demo = demo.api(options)?;
        let parameters = own_parameters(&template, &options.parameters);
        let mut resolver = options.resolver(&template, &parameters)?;
        override_and_check(&template, &mut resolver, &options.overrides)?;
        let deployed = template.active_resources("AWS::Serverless::Function", &resolver)?;
        for (id, resource) in &deployed {
            let name = function_name(id, resource, &resolver)?;
            let function = format!("function:{name}");
            let arn = partition.arn("lambda", &options.region, ACCOUNT, &function);
            resolver.define(id, name.into());
            resolver.define_attribute(id, "Arn", arn);
        }
        let layers = Layers::of(&template, &mut resolver, &options.folder)?;
        let roles = template.active_resources("AWS::IAM::Role", &resolver)?;
        for (id, resource) in &roles {
            resolver.define_attribute(id, "Arn", role_arn(id, resource, &resolver)?);
        }
        define_log_groups(&template, &mut resolver, &options.region);
        let (api_id, api) = serverless_api(&template)?;
        resolver.define(api_id, API_ID.into());
        let stage = text(&resolver.resolve(property(api, "/StageName")?)?);
        let api_url = ApiUrl {
            deployed: format!(
                "https://{API_ID}.execute-api.{}.{}/{stage}",
                options.region, partition.url_suffix
            ),
            local: format!("http://{}", listener.local_addr().map_err(GatewayError::Listen)?),
        };
        let kms = start_kms(kms_listener, &options.region, &options.kms).await?;
        let KeyReport { mut problems, notices } = create_keys(&template, &mut resolver, &kms)?;
        let roles = assign_roles(&roles, &deployed, &resolver, &kms)?;
        for (id, _) in &deployed {
            let arn = resolver.resolve(&json!({"Fn::GetAtt": [id, "Arn"]}))?;
            kms.set_source_function(id, &text(&arn));
        }
        let properties = resolver.resolve(property(api, "")?)?;
        let authorizer = authorizer_arn(&properties);
        if options.authorizer.is_some() && authorizer.is_none() {
            return Err(TemplateError("the template has no authorizer to replace".into()).into());
        }
        let logs = FunctionLogs::default();
        let (mut functions, mut functions_by_name) = (BTreeMap::new(), BTreeMap::new());
        let mut only_settings = true;
        for (id, resource) in deployed {
            let config =
                function_config(id, resource, &template, &resolver, &kms, &api_url, options)?
                    .with_layer(layers.of_function(id, resource, &resolver)?);
            let name = function_name(id, resource, &resolver)?;
            let is_authorizer = authorizer.is_some_and(|arn| is_arn_of(arn, &name));
            let function = match options.authorizer.clone().filter(|_| is_authorizer) {
                Some(own) => HostedFunction::with_executable(config, own, logs.clone()),
                None => HostedFunction::new(config, options.bootstrap.clone(), logs.clone()),
            };
            if let Err(error) = function.warm().await {
                only_settings &= error.error_type == SETTINGS_ERROR;
                problems.push(start_problem(id, &error));
            }
            let function = Arc::new(function);
            functions_by_name.insert(name, Arc::clone(&function));
            functions.insert(id.to_owned(), function);
        }
        if !problems.is_empty() {
            // A key of another KeySpec is the likely cause.
            problems.extend(notices);
            let error = if only_settings { StackError::Settings } else { StackError::NotStarted };
            return Err(error(problems));
        }
        let demo = Some(&demo).filter(|api| has_authorizer(api, &functions_by_name));
        let context = GatewayContext::new(&options.region, functions_by_name, logs.clone());
        let gateway = Gateway::start(listener, &properties, demo, context.clone())?;
        let apis = start_apis(&apis, authorizer, &context, options).await?;
        Ok(Self { gateway, apis, kms, oidc_provider, roles, functions, logs, notices })
    }
}

/// Lets the overrides apply to the parameters, and checks the rules of the template.
fn override_and_check(
    template: &Template,
    resolver: &mut Resolver,
    overrides: &BTreeMap<String, String>,
) -> Result<(), TemplateError> {
    // A rule of the template recognizes the stacks of earlier versions by their alias. No stack on this machine is one
    // because of its environment.
    let mut of_rules = resolver.clone();
    let mut overrides_of_rules = overrides.clone();
    overrides_of_rules.remove("KEY_ALIAS");
    for (_, resource) in template.resources("AWS::Serverless::Function") {
        for variables in
            [template.function_default("Environment"), resource.pointer("/Properties/Environment")]
        {
            override_parameters(resolver, variables, overrides);
            override_parameters(&mut of_rules, variables, &overrides_of_rules);
        }
    }
    template.check_rules(&of_rules)
}

/// Whether a text can be the name of a Region, which becomes a label of a host name.
fn is_region(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_label = !name.starts_with('-') && !name.ends_with('-');
    !name.is_empty() && is_label && name.chars().all(is_allowed)
}

/// Limits each role, and each function by its own access key, to the permissions of the role. Returns the roles
/// by logical id.
fn assign_roles(
    roles: &[(&str, &Value)],
    functions: &[(&str, &Value)],
    resolver: &Resolver,
    kms: &Kms,
) -> Result<BTreeMap<String, DeployedRole>, StackError> {
    let mut deployed_roles = BTreeMap::new();
    for (id, resource) in roles {
        let deployed_role = deployed_role(id, resource, resolver)?;
        let role = deployed_role.kms_role()?;
        deployed_roles.insert((*id).to_owned(), deployed_role);
        for (function, _) in functions.iter().filter(|(_, it)| role_of(it) == Some(id)) {
            kms.assign_role(function, role.clone());
        }
        kms.assign_role(id, role);
    }
    Ok(deployed_roles)
}

async fn start_oidc_provider(
    address: IpAddr,
    options: Option<&OidcOptions>,
) -> Result<Option<OidcProvider>, StackError> {
    let Some(options) = options else { return Ok(None) };
    let service = "the OpenID Connect provider";
    let listener = listen(address, options.port, service, "--oidc-port").await?;
    let provider = OidcProvider::start_with(listener, options);
    Ok(Some(provider.map_err(GatewayError::Listen)?))
}

/// Starts KMS on the loopback address, and on the other address of the options.
async fn start_kms(
    listener: TcpListener,
    region: &str,
    options: &KmsOptions,
) -> Result<Kms, StackError> {
    let port = listener.local_addr().map_err(GatewayError::Listen)?.port();
    let file = options.file().map(|file| file.display().to_string()).unwrap_or_default();
    let (region, all) = (region.to_owned(), options.clone());
    // On another thread: the caller can drop this future while the file is read.
    let started = spawn_blocking(move || Kms::start_with(listener, &region, &all)).await;
    let mut kms = started
        .map_err(io::Error::other)
        .flatten()
        .map_err(|source| StackError::State { file, source })?;
    if let Some(address) = options.address {
        let listener = listen(address, port, "KMS", "--kms-address").await?;
        kms.listen(listener).map_err(GatewayError::Listen)?;
    }
    Ok(kms)
}

/// The type of the error of a function whose settings are invalid.
const SETTINGS_ERROR: &str = "Runtime.Settings";
