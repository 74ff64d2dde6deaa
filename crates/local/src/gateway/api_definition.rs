//! The API that the template defines: `AWS::Serverless::Api` with an OpenAPI definition.

use std::{collections::BTreeMap, time::Duration};

use fancy_regex::Regex;
use serde_json::{Map, Value};

use super::mapping_template::MappingTemplate;
use crate::template::{TemplateError, text};

/// A stage of a REST API.
#[derive(Debug, Clone)]
pub(super) struct ApiDefinition {
    pub(super) stage: String,
    pub(super) routes: Vec<ApiRoute>,
    /// The customized gateway responses by response type.
    pub(super) responses: BTreeMap<String, CustomResponse>,
}

/// A method of a resource.
#[derive(Debug, Clone)]
pub(super) struct ApiRoute {
    pub(super) method: String,
    /// The path of the resource with its path parameters, for example `/orders/{id}`.
    pub(super) resource: String,
    pub(super) authorization: MethodAuthorization,
    pub(super) integration: Integration,
}

/// The authorization type of a method.
#[derive(Debug, Clone)]
pub(super) enum MethodAuthorization {
    Open,
    Iam,
    Lambda(LambdaAuthorizer),
}

/// A Lambda authorizer.
#[derive(Debug, Clone)]
pub(super) struct LambdaAuthorizer {
    pub(super) function: String,
    /// The identity sources: names of headers. Their values are the key of the policy cache.
    pub(super) headers: Vec<String>,
    /// Set if the type is TOKEN: the event then has the value of the one header instead of the request.
    pub(super) token: Option<TokenSource>,
    /// How long policies are cached. Zero disables the cache.
    pub(super) ttl: Duration,
}

/// The identity source of a TOKEN authorizer.
#[derive(Debug, Clone)]
pub(super) struct TokenSource {
    /// Tokens that it does not match are refused without an invocation.
    pattern: Option<Regex>,
}

impl TokenSource {
    /// Whether the token matches the expression, if there is one.
    pub(super) fn accepts(&self, token: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(token).unwrap_or(false))
    }
}

/// The integration of a method.
#[derive(Debug, Clone)]
pub(super) enum Integration {
    Function(String),
    Mock { status: u16, headers: StaticHeaders, body: MappingTemplate },
}

/// A customized gateway response: its status and additional headers.
#[derive(Debug, Clone, Default)]
pub(super) struct CustomResponse {
    pub(super) status: Option<u16>,
    pub(super) headers: StaticHeaders,
}

/// Headers with static values, which the template writes as `'text'`.
type StaticHeaders = Vec<(String, String)>;

impl ApiDefinition {
    /// Reads the properties of the API after the evaluation of intrinsic functions.
    pub(super) fn read(properties: &Value) -> Result<Self, TemplateError> {
        let auth = properties.get("Auth").unwrap_or(&Value::Null);
        let mut authorizers = BTreeMap::new();
        for (name, authorizer) in members(auth.get("Authorizers")) {
            authorizers.insert(name.clone(), LambdaAuthorizer::read(authorizer)?);
        }
        let definition = member(properties, "DefinitionBody")?;
        let authorizations = Authorizations {
            default: auth.get("DefaultAuthorizer").and_then(Value::as_str),
            authorizers,
            schemes: definition.pointer("/components/securitySchemes"),
        };
        let cors =
            properties.get("Cors").map(|cors| authorizations.preflight(auth, cors)).transpose()?;
        let mut routes = Vec::new();
        for (resource, methods) in members(definition.get("paths")) {
            if let (Some((authorization, integration)), None) = (&cors, methods.get("options")) {
                routes.push(ApiRoute {
                    method: "OPTIONS".into(),
                    resource: resource.clone(),
                    authorization: authorization.clone(),
                    integration: integration.clone(),
                });
            }
            for (method, operation) in members(Some(methods)) {
                let integration = member(operation, "x-amazon-apigateway-integration")?;
                let method = match &**method {
                    "x-amazon-apigateway-any-method" => "ANY".into(),
                    method => method.to_ascii_uppercase(),
                };
                routes.push(ApiRoute {
                    method,
                    resource: resource.clone(),
                    authorization: authorizations.of(operation)?,
                    integration: Integration::read(integration)?,
                });
            }
        }
        let responses = members(properties.get("GatewayResponses"))
            .map(|(name, response)| (name.clone(), CustomResponse::read(response)));
        Ok(Self {
            stage: text(member(properties, "StageName")?),
            routes,
            responses: responses.collect(),
        })
    }

    /// Selects the route for a path as API Gateway does: a literal segment has priority over a path parameter, a
    /// path parameter over a greedy one, and the method over ANY. One slash at the end of the path does not count.
    pub(super) fn route(&self, method: &str, path: &str) -> Option<&ApiRoute> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
        let matching = self.routes.iter().filter_map(|route| {
            let rank = rank(&route.resource, path)?;
            (route.method == method || route.method == "ANY")
                .then_some(((rank, route.method == "ANY"), route))
        });
        matching.min_by(|(first, _), (second, _)| first.cmp(second)).map(|(_, route)| route)
    }
}

/// The authorization types that methods can select.
struct Authorizations<'a> {
    default: Option<&'a str>,
    authorizers: BTreeMap<String, LambdaAuthorizer>,
    schemes: Option<&'a Value>,
}

impl Authorizations<'_> {
    fn of(&self, operation: &Value) -> Result<MethodAuthorization, TemplateError> {
        let required = operation.pointer("/security/0").and_then(Value::as_object);
        let required =
            required.and_then(|requirement| requirement.keys().next()).map(String::as_str);
        let Some(name) = required.or(self.default).filter(|name| *name != "NONE") else {
            return Ok(MethodAuthorization::Open);
        };
        if let Some(authorizer) = self.authorizers.get(name) {
            return Ok(MethodAuthorization::Lambda(authorizer.clone()));
        }
        let scheme = self.schemes.and_then(|schemes| schemes.get(name));
        let auth_type = scheme.and_then(|scheme| scheme.get("x-amazon-apigateway-authtype"));
        match auth_type.and_then(Value::as_str) {
            Some("awsSigv4") => Ok(MethodAuthorization::Iam),
            _ => Err(TemplateError(format!(
                "security scheme {name} is not supported on this machine"
            ))),
        }
    }

    /// The OPTIONS method that SAM adds to every path for `Cors`.
    fn preflight(
        &self,
        auth: &Value,
        cors: &Value,
    ) -> Result<(MethodAuthorization, Integration), TemplateError> {
        let is_open = auth.get("AddDefaultAuthorizerToCorsPreflight") == Some(&Value::Bool(false));
        let authorization =
            if is_open { MethodAuthorization::Open } else { self.of(&Value::Null)? };
        let names = [
            ("AllowOrigin", "access-control-allow-origin"),
            ("AllowHeaders", "access-control-allow-headers"),
            ("AllowMethods", "access-control-allow-methods"),
            ("MaxAge", "access-control-max-age"),
        ];
        let header = |(property, name): (&str, &str)| {
            Some((name.to_owned(), static_value(cors.get(property)?)))
        };
        let headers = names.into_iter().filter_map(header).collect();
        Ok((
            authorization,
            Integration::Mock { status: 200, headers, body: MappingTemplate::parse("")? },
        ))
    }
}

impl LambdaAuthorizer {
    /// Reads an authorizer of the SAM specification (`ApiAuth` in the SAM developer guide).
    fn read(authorizer: &Value) -> Result<Self, TemplateError> {
        let identity = authorizer.get("Identity").unwrap_or(&Value::Null);
        let seconds =
            identity.get("ReauthorizeEvery").and_then(Value::as_u64).unwrap_or(DEFAULT_TTL);
        let function = function_name(&text(member(authorizer, "FunctionArn")?))?;
        let ttl = Duration::from_secs(seconds);
        match authorizer.get("FunctionPayloadType").and_then(Value::as_str) {
            Some("REQUEST") => {
                let headers = request_sources(identity)?;
                if headers.is_empty() && seconds > 0 {
                    let problem = "a cached authorizer needs an identity source";
                    return Err(TemplateError(problem.into()));
                }
                Ok(Self { function, headers, token: None, ttl })
            }
            // The default of SAM.
            Some("TOKEN") | None => {
                let header = identity.get("Header").map_or("Authorization".into(), text);
                let pattern = identity.get("ValidationExpression").map(text);
                let token =
                    Some(TokenSource { pattern: pattern.as_deref().map(whole).transpose()? });
                Ok(Self { function, headers: vec![header], token, ttl })
            }
            Some(kind) => Err(TemplateError(format!(
                "FunctionPayloadType {kind} is not supported on this machine"
            ))),
        }
    }
}

/// The headers that are the identity sources of a REQUEST authorizer.
fn request_sources(identity: &Value) -> Result<Vec<String>, TemplateError> {
    let unsupported = ["QueryStrings", "StageVariables", "Context"];
    if unsupported.iter().any(|source| identity.get(source).is_some()) {
        return Err(TemplateError(
            "only headers are supported as identity sources on this machine".into(),
        ));
    }
    let headers = identity.get("Headers").and_then(Value::as_array);
    Ok(headers.into_iter().flatten().map(text).collect())
}

/// A regular expression that must match the whole token.
fn whole(pattern: &str) -> Result<Regex, TemplateError> {
    Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| {
        TemplateError(format!("ValidationExpression {pattern} cannot be evaluated: {error}"))
    })
}

impl Integration {
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
                let status = status.map_err(|_| missing("numeric statusCode"))?;
                let headers = members(response.get("responseParameters"));
                let headers = headers.filter_map(|(name, value)| {
                    let name = name.strip_prefix("method.response.header.")?;
                    Some((name.to_owned(), static_value(value)))
                });
                Ok(Self::Mock {
                    status,
                    headers: headers.collect(),
                    body: MappingTemplate::parse(&body)?,
                })
            }
            _ => Err(TemplateError(
                "only integrations of the types aws_proxy and mock are supported on this machine"
                    .into(),
            )),
        }
    }
}

impl CustomResponse {
    fn read(response: &Value) -> Self {
        let status = response.get("StatusCode").and_then(|status| text(status).parse().ok());
        let headers = members(response.pointer("/ResponseParameters/Headers"));
        let headers = headers.map(|(name, value)| (name.clone(), static_value(value)));
        Self { status, headers: headers.collect() }
    }
}

/// The priority of a resource for a path without its first slash, by segment: lower values first. `None` if the path
/// does not match.
pub(super) fn rank(resource: &str, path: &str) -> Option<Vec<u8>> {
    let mut segments = path.split('/');
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

/// The function name in an ARN, which can be part of the URI of an integration.
pub(super) fn function_name(arn: &str) -> Result<String, TemplateError> {
    let name = arn.split_once(":function:").and_then(|(_, name)| name.split(['/', ':']).next());
    name.map(str::to_owned).ok_or_else(|| missing("function ARN"))
}

/// The text of a static value, which API Gateway encloses in apostrophes.
fn static_value(value: &Value) -> String {
    text(value).trim_matches('\'').to_owned()
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

pub(super) fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value, TemplateError> {
    value.get(name).ok_or_else(|| missing(name))
}

pub(super) fn missing(name: &str) -> TemplateError {
    TemplateError(format!("the API lacks a required {name}"))
}

pub(super) fn unsupported(what: &str) -> TemplateError {
    TemplateError(format!("{what} is not supported on this machine"))
}

/// The default of API Gateway in seconds.
pub(super) const DEFAULT_TTL: u64 = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_route_with_the_highest_priority_is_selected() {
        let resources = ["/", "/a", "/a/{id}", "/a/b", "/a/{id}/c", "/{proxy+}"];
        let routes = resources.map(|resource| ApiRoute {
            method: "GET".into(),
            resource: resource.into(),
            authorization: MethodAuthorization::Open,
            integration: Integration::Function("F".into()),
        });
        let api =
            ApiDefinition { stage: "v1".into(), routes: routes.into(), responses: BTreeMap::new() };
        let rows = [
            ("/", Some("/")),
            ("/a", Some("/a")),
            ("/a/b", Some("/a/b")),
            ("/a/x", Some("/a/{id}")),
            ("/a/b/c", Some("/a/{id}/c")),
            ("/a/b/d", Some("/{proxy+}")),
            ("/x", Some("/{proxy+}")),
            ("/a/", Some("/a")),
            ("/a/b/", Some("/a/b")),
            ("/a/x/", Some("/a/{id}")),
            ("//", None),
            ("//a", None),
            ("///a", None),
            ("/a//", Some("/{proxy+}")),
        ];
        for (path, expected) in rows {
            let route = api.route("GET", path);
            assert_eq!(route.map(|route| &*route.resource), expected, "{path}");
            assert!(api.route("POST", path).is_none());
        }
    }

    #[test]
    fn authorizers_are_of_the_types_request_and_token() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let read = |kind: Value, identity: Value| {
            LambdaAuthorizer::read(&json!({
                "FunctionArn": arn, "FunctionPayloadType": kind, "Identity": identity,
            }))
        };
        let rows = [
            (
                "a request",
                json!("REQUEST"),
                json!({"Headers": ["X-A", "X-B"]}),
                Some(vec!["X-A", "X-B"]),
            ),
            (
                "a request without a source",
                json!("REQUEST"),
                json!({"ReauthorizeEvery": 0}),
                Some(vec![]),
            ),
            ("a cached request without a source", json!("REQUEST"), json!({}), None),
            ("a query parameter", json!("REQUEST"), json!({"QueryStrings": ["q"]}), None),
            ("a token", json!("TOKEN"), json!({"Header": "X-A"}), Some(vec!["X-A"])),
            (
                "a token in the default header",
                json!("TOKEN"),
                json!({}),
                Some(vec!["Authorization"]),
            ),
            ("the default type", json!(null), json!({}), Some(vec!["Authorization"])),
            ("a malformed expression", json!("TOKEN"), json!({"ValidationExpression": "("}), None),
            ("another type", json!("COGNITO"), json!({}), None),
        ];
        for (name, kind, identity, expected) in rows {
            let is_token = kind != json!("REQUEST");
            let authorizer = read(kind, identity).ok();
            if let Some(authorizer) = &authorizer {
                assert_eq!(authorizer.token.is_some(), is_token, "{name}");
            }
            let headers = authorizer.map(|authorizer| authorizer.headers);
            let expected =
                expected.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(headers, expected, "{name}");
        }
        let pattern = json!({"ValidationExpression": "^Bearer [a-z]+"});
        let source = read(json!("TOKEN"), pattern).unwrap().token.unwrap();
        let rows =
            [("Bearer abc", true), ("Bearer abc1", false), ("bearer abc", false), ("", false)];
        for (token, expected) in rows {
            assert_eq!(source.accepts(token), expected, "{token}");
        }
    }
}
