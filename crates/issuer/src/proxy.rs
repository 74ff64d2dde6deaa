use aws_lambda_events::{
    apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest},
    http::Method,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use policy::issuance::Caller;

use crate::{
    IssuanceError,
    limits::{MAX_EVENT_BYTES, MAX_REQUEST_BYTES},
    oauth::{AuthenticationScheme, MediaType},
};

/// The members of a proxy event that the issuer uses. They are the same for both formats.
pub(crate) struct ProxyRequest {
    pub(crate) method: Method,
    /// The path of the route, without the stage and without the base path of a custom domain.
    pub(crate) path: String,
    /// The IAM identity that API Gateway authenticated.
    pub(crate) caller: Option<Caller>,
    pub(crate) media_type: MediaType,
    /// The scheme of the `Authorization` header, if there is one.
    pub(crate) authorization: Option<AuthenticationScheme>,
    /// Whether the URL has a query.
    pub(crate) has_query: bool,
    body: Option<String>,
    is_base64_encoded: bool,
}

impl ProxyRequest {
    /// Reads a proxy event. `version` is the JSON text of the member that only HTTP APIs send. The parser's error
    /// is dropped because it quotes header values.
    pub(crate) fn read(event: &str, version: Option<&str>) -> Result<Self, IssuanceError> {
        if event.len() > MAX_EVENT_BYTES {
            return Err(IssuanceError::RequestTooLarge);
        }
        let request = match version {
            None | Some(r#""1.0""#) => from_format_1(event),
            Some(r#""2.0""#) => from_format_2(event),
            Some(_) => return Err(IssuanceError::MalformedEvent),
        };
        request.map_err(|_| IssuanceError::MalformedEvent)
    }

    /// The decoded body.
    pub(crate) fn body(self) -> Result<Vec<u8>, IssuanceError> {
        let body = self.body.ok_or(IssuanceError::UnreadableBody)?;
        let bytes = if self.is_base64_encoded { decoded_len(&body) } else { body.len() };
        if bytes > MAX_REQUEST_BYTES {
            return Err(IssuanceError::RequestTooLarge);
        }
        if self.is_base64_encoded {
            return STANDARD.decode(body).map_err(|_| IssuanceError::UnreadableBody);
        }
        Ok(body.into_bytes())
    }
}

/// Reads an event of a REST API, or of an HTTP API with format 1.0. `requestContext.authorizer` contains what a
/// Lambda authorizer returned, so the caller is not read from there.
fn from_format_1(event: &str) -> serde_json::Result<ProxyRequest> {
    let event: ApiGatewayProxyRequest = serde_json::from_str(event)?;
    // The resource of a route with parameters or a wildcard is a pattern, not a path.
    let resource = event.resource.filter(|resource| !resource.contains(['{', '$']));
    Ok(ProxyRequest {
        method: event.http_method,
        path: resource.or(event.path).unwrap_or_default(),
        caller: iam_caller(event.request_context.identity.user_arn),
        media_type: MediaType::of(&[&event.headers, &event.multi_value_headers]),
        authorization: AuthenticationScheme::of(&[&event.headers, &event.multi_value_headers]),
        has_query: !event.query_string_parameters.is_empty()
            || !event.multi_value_query_string_parameters.is_empty(),
        body: event.body,
        is_base64_encoded: event.is_base64_encoded,
    })
}

/// Reads an event of an HTTP API with format 2.0. `requestContext.authorizer.iam` comes from API Gateway; what a
/// Lambda authorizer returned is in `requestContext.authorizer.lambda`.
fn from_format_2(event: &str) -> serde_json::Result<ProxyRequest> {
    let event: ApiGatewayV2httpRequest = serde_json::from_str(event)?;
    let context = event.request_context;
    let path = event.raw_path.unwrap_or_default();
    let stage = context.stage.unwrap_or_default();
    let without_stage = path.strip_prefix('/').and_then(|path| path.strip_prefix(&*stage));
    let without_stage = without_stage.filter(|path| path.starts_with('/')).map(str::to_owned);
    let iam = context.authorizer.and_then(|authorizer| authorizer.iam);
    Ok(ProxyRequest {
        method: context.http.method,
        path: without_stage.unwrap_or(path),
        caller: iam_caller(iam.and_then(|iam| iam.user_arn)),
        media_type: MediaType::of(&[&event.headers]),
        authorization: AuthenticationScheme::of(&[&event.headers]),
        has_query: event.raw_query_string.is_some_and(|query| !query.is_empty())
            || !event.query_string_parameters.is_empty(),
        body: event.body,
        is_base64_encoded: event.is_base64_encoded,
    })
}

fn iam_caller(arn: Option<String>) -> Option<Caller> {
    arn.filter(|arn| arn.starts_with("arn:") && arn.len() <= MAX_ARN_BYTES).map(Caller::Iam)
}

/// The decoded length, in bytes, of a base64 text: four characters for three bytes.
fn decoded_len(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

/// The longest ARN of IAM or STS, in bytes (IAM API reference).
const MAX_ARN_BYTES: usize = 2048;
