use std::{
    collections::{BTreeMap, BTreeSet},
    io, iter,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    gateway::{API, Gateway, GatewayError},
    iam::PolicyDocument,
    kms::{ACCOUNT, Kms, Role},
    lambda::{Bootstrap, Configuration, Function, FunctionError, Journal},
    template::{Scope, Template, TemplateError, text},
};

/// Everything that a template deploys, running on this machine. All of it stops when it is dropped.
#[derive(Debug)]
pub struct Stack {
    /// The API.
    pub gateway: Gateway,
    /// The keys.
    pub kms: Kms,
    /// The functions by logical id.
    pub functions: BTreeMap<String, Arc<Function>>,
    /// What the functions log.
    pub journal: Journal,
}

/// How a stack is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateway's port; 0 for any that is free.
    pub port: u16,
    /// The KMS server's port; 0 for any that is free.
    pub kms_port: u16,
    /// Where else the KMS server listens, so that who is not on this machine reaches it.
    pub kms_address: Option<IpAddr>,
    /// The Region that everything says it is in.
    pub region: String,
    /// How functions are started.
    pub bootstrap: Bootstrap,
    /// The folder where keys are kept, if they are to outlive the process.
    pub state: Option<PathBuf>,
    /// Values that take the place of the template's parameters' defaults.
    pub parameters: BTreeMap<String, String>,
    /// Settings that take the place of the template's.
    pub overrides: BTreeMap<String, String>,
}

impl Options {
    /// On whichever ports are free, from the template as it stands.
    #[must_use]
    pub fn anywhere(bootstrap: Bootstrap) -> Self {
        Self {
            port: 0,
            kms_port: 0,
            kms_address: None,
            region: "us-east-1".into(),
            bootstrap,
            state: None,
            parameters: BTreeMap::new(),
            overrides: BTreeMap::new(),
        }
    }
}

/// Why a stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The template is at fault.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A port is taken, or may not be used.
    #[error("port {port} cannot be used for {what} ({source}); choose another with {flag}")]
    Port {
        /// Which.
        port: u16,
        /// What for.
        what: &'static str,
        /// How to say so.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Keys cannot be kept in the folder.
    #[error("{file}: {source}; the state folder cannot be used")]
    State {
        /// The file in it.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// What is to be in every ARN is no Region.
    #[error("the Region must be of letters, digits and hyphens")]
    Region,
    /// The template asks for a key that cannot be made.
    #[error("the template's key: {0}")]
    Key(String),
    /// The API.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// What is wrong with the settings: every key that has no alias and function that did not start.
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
}

impl Stack {
    /// Starts what the template deploys, and waits until every function asks for work.
    ///
    /// # Errors
    /// Whatever is wrong first.
    pub async fn start(template: &str, options: &Options) -> Result<Self, StackError> {
        let template = Template::parse(template)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if options.region.is_empty() || !options.region.chars().all(fits) {
            return Err(StackError::Region);
        }
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let kms_listener = listen(here, options.kms_port, "KMS", "--kms-port").await?;
        let listener = listen(here, options.port, "the gateway", "--port").await?;
        let kms_port = kms_listener.local_addr().map_err(GatewayError::Listen)?.port();
        let mut scope = template.scope(&options.region, &options.parameters)?;
        for (_, resource) in template.resources("AWS::Serverless::Function") {
            for variables in [
                template.function_default("Environment"),
                resource.pointer("/Properties/Environment"),
            ] {
                override_parameters(&mut scope, variables, &options.overrides);
            }
        }
        let deployed = template.made("AWS::Serverless::Function", &scope)?;
        for (id, resource) in &deployed {
            let name = function_name(id, resource, &scope)?;
            let arn = format!("arn:aws:lambda:{}:{ACCOUNT}:function:{name}", options.region);
            scope.define(id, name.into());
            scope.define_attribute(id, "Arn", arn);
        }
        let roles = template.made("AWS::IAM::Role", &scope)?;
        for (id, resource) in &roles {
            scope.define_attribute(id, "Arn", role_arn(id, resource, &scope)?);
        }
        for (id, _) in template.resources("AWS::Logs::LogGroup") {
            let arn = format!("arn:aws:logs:{}:{ACCOUNT}:log-group:{id}", options.region);
            scope.define_attribute(id, "Arn", arn);
        }
        let (api_id, api) = template
            .resources("AWS::Serverless::Api")
            .next()
            .ok_or_else(|| TemplateError("there is no AWS::Serverless::Api".into()))?;
        scope.define(api_id, API.into());
        let stage = text(&scope.resolve(property(api, "/StageName")?)?);
        let own_url = OwnUrl {
            deployed: format!("https://{API}.execute-api.{}.amazonaws.com/{stage}", options.region),
            here: format!("http://{}", listener.local_addr().map_err(GatewayError::Listen)?),
        };
        let file = options.state.as_ref().map(|folder| folder.join("kms.json"));
        let name = file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        let mut kms = Kms::start(kms_listener, &options.region, file)
            .map_err(|source| StackError::State { file: name, source })?;
        if let Some(address) = options.kms_address {
            let listener = listen(address, kms_port, "KMS", "--kms-address").await?;
            kms.listen(listener).map_err(GatewayError::Listen)?;
        }
        let mut refusals = create_keys(&template, &mut scope, &kms)?;
        for (id, resource) in roles {
            let arn = role_arn(id, resource, &scope)?;
            let role = Role { arn, policies: policies(resource, &scope)? };
            // A function has credentials of its own, by which KMS knows the role and the function.
            for (function, _) in
                deployed.iter().filter(|(_, resource)| role_of(resource) == Some(id))
            {
                kms.assign_role(function, role.clone());
            }
            kms.assign_role(id, role);
        }
        for (id, _) in &deployed {
            let arn = scope.resolve(&json!({"Fn::GetAtt": [id, "Arn"]}))?;
            kms.set_source_function(id, &text(&arn));
        }
        let journal = Journal::default();
        let (mut functions, mut named) = (BTreeMap::new(), BTreeMap::new());
        for (id, resource) in deployed {
            let configuration =
                configure(id, resource, &template, &scope, &kms, &own_url, options)?;
            let function = Function::new(configuration, options.bootstrap.clone(), journal.clone());
            if let Err(error) = function.warm().await {
                refusals.push(did_not_start(id, &error));
            }
            let function = Arc::new(function);
            named.insert(function_name(id, resource, &scope)?, Arc::clone(&function));
            functions.insert(id.to_owned(), function);
        }
        if !refusals.is_empty() {
            return Err(StackError::Settings(refusals));
        }
        let properties = scope.resolve(property(api, "")?)?;
        let gateway =
            Gateway::start(listener, &options.region, &properties, named, journal.clone())?;
        Ok(Self { gateway, kms, functions, journal })
    }
}

async fn listen(
    address: IpAddr,
    port: u16,
    what: &'static str,
    flag: &'static str,
) -> Result<TcpListener, StackError> {
    let listener = TcpListener::bind((address, port)).await;
    listener.map_err(|source| StackError::Port { port, what, flag, source })
}

/// Where the template gives a setting a parameter's value, an override is the parameter's: the key's
/// alias is then the one that the functions look for.
fn override_parameters(
    scope: &mut Scope,
    environment: Option<&Value>,
    overrides: &BTreeMap<String, String>,
) {
    let variables = environment.and_then(|value| value.get("Variables")).and_then(Value::as_object);
    for (name, value) in variables.into_iter().flatten() {
        let branches = value.get("Fn::If").and_then(Value::as_array).into_iter().flatten();
        let mut parameters = iter::once(value).chain(branches).map(|value| value.get("Ref"));
        let parameter = parameters.find_map(|name| name?.as_str());
        if let (Some(parameter), Some(value)) = (parameter, overrides.get(name)) {
            scope.define(parameter, value.as_str().into());
        }
    }
}

/// Creates the template's keys and aliases. If an alias of a key exists from an earlier start, its
/// current key takes the place of the template's. Returns a message for each alias that cannot be
/// created.
fn create_keys(
    template: &Template,
    scope: &mut Scope,
    kms: &Kms,
) -> Result<Vec<String>, StackError> {
    let mut refusals = Vec::new();
    let mut aliases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (id, resource) in template.made("AWS::KMS::Alias", scope)? {
        let name = scope.resolve(property(resource, "/AliasName")?)?;
        scope.define(id, name.clone());
        // An override may name a key by its id instead: then there is no alias to be made.
        let name = text(&name);
        if name.starts_with("alias/") {
            let key = text(property(resource, "/TargetKeyId/Ref")?);
            aliases.entry(key).or_default().insert(name);
        }
    }
    let describe = |alias: &String| kms.perform("DescribeKey", &json!({"KeyId": alias}));
    for (id, resource) in template.made("AWS::KMS::Key", scope)? {
        let aliases = aliases.remove(id).unwrap_or_default();
        // The ring's own name sorts before those that begin with it.
        let key = match aliases.iter().find_map(|alias| describe(alias).ok()) {
            Some(key) => key,
            None => create_key(&scope.resolve(property(resource, "")?)?, kms)?,
        };
        let member = |name: &str| key.pointer(&format!("/KeyMetadata/{name}")).cloned();
        for alias in aliases.iter().filter(|alias| describe(alias).is_err()) {
            let target = json!({"AliasName": alias, "TargetKeyId": member("KeyId")});
            if let Err(problem) = kms.perform("CreateAlias", &target) {
                refusals.push(format!("{alias} cannot be created: {problem}"));
            }
        }
        scope.define(id, member("KeyId").unwrap_or_default());
        scope.define_attribute(id, "Arn", member("Arn").unwrap_or_default());
    }
    Ok(refusals)
}

fn create_key(properties: &Value, kms: &Kms) -> Result<Value, StackError> {
    let member = |name: &str| properties.get(name).cloned().unwrap_or_default();
    let tags = properties.get("Tags").and_then(Value::as_array).into_iter().flatten();
    let tags: Vec<_> =
        tags.map(|tag| json!({"TagKey": tag.get("Key"), "TagValue": tag.get("Value")})).collect();
    let input = json!({
        "KeySpec": member("KeySpec"),
        "KeyUsage": member("KeyUsage"),
        "Description": member("Description"),
        "Policy": properties.get("KeyPolicy").map(Value::to_string),
        "Tags": tags,
    });
    kms.perform("CreateKey", &input).map_err(StackError::Key)
}

fn configure(
    id: &str,
    resource: &Value,
    template: &Template,
    scope: &Scope,
    kms: &Kms,
    own_url: &OwnUrl,
    options: &Options,
) -> Result<Configuration, StackError> {
    let variables = |value: Option<&Value>| {
        let variables = value.and_then(|value| value.get("Variables")).unwrap_or(&Value::Null);
        scope.resolve(variables)
    };
    let defaults = variables(template.function_default("Environment"))?;
    let own = variables(property(resource, "/Environment").ok())?;
    let mut environment = BTreeMap::new();
    for values in [&defaults, &own] {
        let values = values.as_object().into_iter().flatten();
        environment
            .extend(values.map(|(name, value)| (name.clone(), own_url.translate(&text(value)))));
    }
    environment.extend(options.overrides.clone());
    if role_of(resource).is_none() {
        return Err(TemplateError(format!("{id} has no Role of the template's")).into());
    }
    environment.extend(
        [
            ("AWS_REGION", &*options.region),
            ("AWS_DEFAULT_REGION", &*options.region),
            // KMS knows the role and the function by it. Of the rest only the form is looked at.
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_KMS", &format!("http://{}", kms.address())),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let number = |name: &str, default: u64| -> Result<u64, TemplateError> {
        let value =
            property(resource, &format!("/{name}")).ok().or(template.function_default(name));
        let value = value.map(|value| scope.resolve(value)).transpose()?;
        Ok(value.and_then(|value| value.as_u64()).unwrap_or(default))
    };
    let binary = resource.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str);
    let binary = binary.ok_or_else(|| TemplateError(format!("{id} has no Binary to build")))?;
    Ok(Configuration {
        name: id.to_owned(),
        binary: binary.to_owned(),
        region: options.region.clone(),
        environment: environment.into_iter().collect(),
        memory: number("MemorySize", 128)?,
        timeout: Duration::from_secs(number("Timeout", 3)?),
    })
}

/// The API's own URL, where the template makes it, and where the API is on this machine.
struct OwnUrl {
    deployed: String,
    here: String,
}

impl OwnUrl {
    fn translate(&self, value: &str) -> String {
        value.replace(&self.deployed, &self.here)
    }
}

/// The logical id of a function's role.
fn role_of(function: &Value) -> Option<&str> {
    function.pointer("/Properties/Role/Fn::GetAtt/0").and_then(Value::as_str)
}

/// The ARN of a role. CloudFormation makes up the end of its name, if the template does not name it.
fn role_arn(id: &str, role: &Value, scope: &Scope) -> Result<String, TemplateError> {
    let given = |member: &str| {
        let value = property(role, member).ok();
        value.map(|value| scope.resolve(value).map(|value| text(&value))).transpose()
    };
    let path = given("/Path")?.unwrap_or_else(|| "/".into());
    let stack = text(&scope.resolve(&json!({"Ref": "AWS::StackName"}))?);
    let name = given("/RoleName")?.unwrap_or_else(|| format!("{stack}-{id}-0LOCAL0LOCAL"));
    Ok(format!("arn:aws:iam::{ACCOUNT}:role{path}{name}"))
}

/// The policies that are written into a role.
fn policies(role: &Value, scope: &Scope) -> Result<Vec<PolicyDocument>, TemplateError> {
    let all = scope.resolve(property(role, "/Policies").unwrap_or(&Value::Null))?;
    let documents = all.as_array().into_iter().flatten();
    let read = |policy: &Value| {
        let document = policy.get("PolicyDocument").cloned().unwrap_or_default();
        serde_json::from_value(document)
            .map_err(|error| TemplateError(format!("the policy of a role: {error}")))
    };
    documents.map(read).collect()
}

/// The name that a function has in its ARN: its logical id, unless it is given another.
fn function_name(id: &str, resource: &Value, scope: &Scope) -> Result<String, TemplateError> {
    let name = resource.pointer("/Properties/FunctionName");
    name.map_or(Ok(id.to_owned()), |name| scope.resolve(name).map(|name| text(&name)))
}

/// What stands at this path in a resource's properties; at the empty one, all of them.
fn property<'a>(resource: &'a Value, path: &str) -> Result<&'a Value, TemplateError> {
    let path = format!("/Properties{path}");
    let missing = || TemplateError(format!("a resource has no {path}"));
    resource.pointer(&path).ok_or_else(missing)
}

/// Why a function did not start: each problem with its settings on a line of its own.
fn did_not_start(name: &str, error: &FunctionError) -> String {
    format!("{name} did not start: {}", error.to_string().replace("; ", "\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_arns_have_the_path_and_the_name() {
        let template = Template::parse("Resources: {}").unwrap();
        let scope = template.scope("us-east-1", &BTreeMap::new()).unwrap();
        let path = json!({"Fn::Sub": "/countersign/${AWS::StackName}/"});
        let rows = [
            (json!({}), "local-Issuer-0LOCAL0LOCAL"),
            (json!({"Path": path}), "countersign/local/local-Issuer-0LOCAL0LOCAL"),
            (json!({"Path": path, "RoleName": "issuer"}), "countersign/local/issuer"),
            (json!({"RoleName": "issuer"}), "issuer"),
        ];
        for (properties, expected) in rows {
            let role = json!({"Properties": properties});
            let expected = format!("arn:aws:iam::000000000000:role/{expected}");
            assert_eq!(role_arn("Issuer", &role, &scope), Ok(expected), "{properties}");
        }
    }
}
