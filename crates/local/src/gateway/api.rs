//! The API as the template describes it: `AWS::Serverless::Api` with its OpenAPI definition.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use super::mapping::Mapping;
use crate::template::{TemplateError, text};

/// A REST API's stage.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) stage: String,
    pub(super) routes: Vec<Route>,
    pub(super) responses: BTreeMap<String, GatewayResponse>,
}

/// A method of a resource.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) method: String,
    /// The path as the API has it, with its parameters.
    pub(super) resource: String,
    pub(super) guard: Guard,
    pub(super) target: Target,
}

/// Who may call a method.
#[derive(Debug, Clone)]
pub(super) enum Guard {
    Open,
    Iam,
    Lambda(Authorizer),
}

/// A REQUEST authorizer.
#[derive(Debug, Clone)]
pub(super) struct Authorizer {
    pub(super) function: String,
    /// Header names: the identity sources, and so the key under which a policy is kept.
    pub(super) headers: Vec<String>,
    pub(super) ttl: Duration,
}

/// Who answers.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Function(String),
    Mock { status: u16, headers: Headers, body: Mapping },
}

/// What a gateway response changes: its status, and headers.
#[derive(Debug, Clone, Default)]
pub(super) struct GatewayResponse {
    pub(super) status: Option<u16>,
    pub(super) headers: Headers,
}

/// Headers of the kind `'text'`.
type Headers = Vec<(String, String)>;

impl Api {
    /// Reads the properties, with every intrinsic function evaluated.
    pub(super) fn read(properties: &Value) -> Result<Self, TemplateError> {
        let auth = properties.get("Auth").unwrap_or(&Value::Null);
        let mut authorizers = BTreeMap::new();
        for (name, authorizer) in members(auth.get("Authorizers")) {
            authorizers.insert(name.clone(), Authorizer::read(authorizer)?);
        }
        let definition = member(properties, "DefinitionBody")?;
        let guards = Guards {
            default: auth.get("DefaultAuthorizer").and_then(Value::as_str),
            authorizers,
            schemes: definition.pointer("/components/securitySchemes"),
        };
        let cors = properties.get("Cors").map(|cors| guards.preflight(auth, cors)).transpose()?;
        let mut routes = Vec::new();
        for (resource, methods) in members(definition.get("paths")) {
            if let (Some((guard, target)), None) = (&cors, methods.get("options")) {
                routes.push(Route {
                    method: "OPTIONS".into(),
                    resource: resource.clone(),
                    guard: guard.clone(),
                    target: target.clone(),
                });
            }
            for (method, operation) in members(Some(methods)) {
                let integration = member(operation, "x-amazon-apigateway-integration")?;
                let method = match &**method {
                    "x-amazon-apigateway-any-method" => "ANY".into(),
                    method => method.to_ascii_uppercase(),
                };
                routes.push(Route {
                    method,
                    resource: resource.clone(),
                    guard: guards.of(operation)?,
                    target: Target::read(integration)?,
                });
            }
        }
        let responses = members(properties.get("GatewayResponses"))
            .map(|(name, response)| (name.clone(), GatewayResponse::read(response)));
        Ok(Self {
            stage: text(member(properties, "StageName")?),
            routes,
            responses: responses.collect(),
        })
    }

    /// The route for a path, as API Gateway chooses it: a literal segment before a parameter, a
    /// parameter before a greedy one, and the method itself before ANY.
    pub(super) fn route(&self, method: &str, path: &str) -> Option<&Route> {
        let fitting = self.routes.iter().filter_map(|route| {
            let rank = rank(&route.resource, path)?;
            (route.method == method || route.method == "ANY")
                .then_some(((rank, route.method == "ANY"), route))
        });
        fitting.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, route)| route)
    }
}

/// The guards that methods can have.
struct Guards<'a> {
    default: Option<&'a str>,
    authorizers: BTreeMap<String, Authorizer>,
    schemes: Option<&'a Value>,
}

impl Guards<'_> {
    fn of(&self, operation: &Value) -> Result<Guard, TemplateError> {
        let own = operation.pointer("/security/0").and_then(Value::as_object);
        let own = own.and_then(|requirement| requirement.keys().next()).map(String::as_str);
        let Some(name) = own.or(self.default).filter(|name| *name != "NONE") else {
            return Ok(Guard::Open);
        };
        if let Some(authorizer) = self.authorizers.get(name) {
            return Ok(Guard::Lambda(authorizer.clone()));
        }
        let scheme = self.schemes.and_then(|schemes| schemes.get(name));
        let kind = scheme.and_then(|scheme| scheme.get("x-amazon-apigateway-authtype"));
        match kind.and_then(Value::as_str) {
            Some("awsSigv4") => Ok(Guard::Iam),
            _ => Err(TemplateError(format!("security scheme {name} is not known on this machine"))),
        }
    }
}

impl Guards<'_> {
    /// The method that SAM adds to every path.
    fn preflight(&self, auth: &Value, cors: &Value) -> Result<(Guard, Target), TemplateError> {
        let open = auth.get("AddDefaultAuthorizerToCorsPreflight") == Some(&Value::Bool(false));
        let guard = if open { Guard::Open } else { self.of(&Value::Null)? };
        let names = [
            ("AllowOrigin", "access-control-allow-origin"),
            ("AllowHeaders", "access-control-allow-headers"),
            ("AllowMethods", "access-control-allow-methods"),
            ("MaxAge", "access-control-max-age"),
        ];
        let header =
            |(property, name): (&str, &str)| Some((name.to_owned(), literal(cors.get(property)?)));
        let headers = names.into_iter().filter_map(header).collect();
        Ok((guard, Target::Mock { status: 200, headers, body: Mapping::parse("")? }))
    }
}

impl Authorizer {
    fn read(authorizer: &Value) -> Result<Self, TemplateError> {
        if authorizer.get("FunctionPayloadType").and_then(Value::as_str) != Some("REQUEST") {
            return Err(TemplateError("only REQUEST authorizers run on this machine".into()));
        }
        let identity = authorizer.get("Identity").unwrap_or(&Value::Null);
        let others = ["QueryStrings", "StageVariables", "Context"];
        if others.iter().any(|source| identity.get(source).is_some()) {
            return Err(TemplateError("identity sources must be headers on this machine".into()));
        }
        let headers = identity.get("Headers").and_then(Value::as_array);
        let seconds =
            identity.get("ReauthorizeEvery").and_then(Value::as_u64).unwrap_or(DEFAULT_TTL);
        if headers.is_none_or(Vec::is_empty) && seconds > 0 {
            let problem = "a policy that is kept needs an identity source to be kept under";
            return Err(TemplateError(problem.into()));
        }
        Ok(Self {
            function: function_name(&text(member(authorizer, "FunctionArn")?))?,
            headers: headers.into_iter().flatten().map(text).collect(),
            ttl: Duration::from_secs(seconds),
        })
    }
}

impl Target {
    fn read(integration: &Value) -> Result<Self, TemplateError> {
        match integration.get("type").and_then(Value::as_str) {
            Some("aws_proxy") => {
                Ok(Self::Function(function_name(&text(member(integration, "uri")?))?))
            }
            Some("mock") => {
                let response = integration.pointer("/responses/default");
                let response = response.ok_or_else(|| missing("responses.default"))?;
                let templates = response.get("responseTemplates").unwrap_or(&Value::Null);
                let body = templates.get("application/json").map(text).unwrap_or_default();
                let status = text(member(response, "statusCode")?).parse();
                let status = status.map_err(|_| missing("a statusCode"))?;
                let headers = members(response.get("responseParameters"));
                let headers = headers.filter_map(|(name, value)| {
                    let name = name.strip_prefix("method.response.header.")?;
                    Some((name.to_owned(), literal(value)))
                });
                Ok(Self::Mock { status, headers: headers.collect(), body: Mapping::parse(&body)? })
            }
            _ => Err(TemplateError("an integration is neither aws_proxy nor mock".into())),
        }
    }
}

impl GatewayResponse {
    fn read(response: &Value) -> Self {
        let status = response.get("StatusCode").and_then(|status| text(status).parse().ok());
        let headers = members(response.pointer("/ResponseParameters/Headers"));
        let headers = headers.map(|(name, value)| (name.clone(), literal(value)));
        Self { status, headers: headers.collect() }
    }
}

/// How far the path is from the resource, if it fits: the smaller, the closer, segment by segment.
fn rank(resource: &str, path: &str) -> Option<Vec<u8>> {
    let mut segments = path.trim_start_matches('/').split('/');
    let mut rank = Vec::new();
    for pattern in resource.trim_start_matches('/').split('/') {
        let parameter = pattern.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        match parameter {
            Some(name) if name.ends_with('+') => {
                segments.next().filter(|segment| !segment.is_empty())?;
                rank.push(2);
                return Some(rank);
            }
            Some(_) => {
                segments.next().filter(|segment| !segment.is_empty())?;
                rank.push(1);
            }
            None => {
                segments.next().filter(|segment| *segment == pattern)?;
                rank.push(0);
            }
        }
    }
    segments.next().is_none().then_some(rank)
}

/// The name in a function's ARN, which may stand within an integration's URI.
fn function_name(arn: &str) -> Result<String, TemplateError> {
    let name = arn.split_once(":function:").and_then(|(_, name)| name.split(['/', ':']).next());
    name.map(str::to_owned).ok_or_else(|| missing("a function's ARN"))
}

/// What stands between API Gateway's quotation marks.
fn literal(value: &Value) -> String {
    text(value).trim_matches('\'').to_owned()
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value, TemplateError> {
    value.get(name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> TemplateError {
    TemplateError(format!("the API has no {name} where one is needed"))
}

/// API Gateway's, when the template has none.
const DEFAULT_TTL: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_route_is_taken() {
        let resources = ["/", "/a", "/a/{id}", "/a/b", "/a/{id}/c", "/{proxy+}"];
        let routes = resources.map(|resource| Route {
            method: "GET".into(),
            resource: resource.into(),
            guard: Guard::Open,
            target: Target::Function("F".into()),
        });
        let api = Api { stage: "v1".into(), routes: routes.into(), responses: BTreeMap::new() };
        let rows = [
            ("/", Some("/")),
            ("/a", Some("/a")),
            ("/a/b", Some("/a/b")),
            ("/a/x", Some("/a/{id}")),
            ("/a/b/c", Some("/a/{id}/c")),
            ("/a/b/d", Some("/{proxy+}")),
            ("/x", Some("/{proxy+}")),
            ("/a/", Some("/{proxy+}")),
        ];
        for (path, expected) in rows {
            let route = api.route("GET", path);
            assert_eq!(route.map(|route| &*route.resource), expected, "{path}");
            assert!(api.route("POST", path).is_none());
        }
    }
}
