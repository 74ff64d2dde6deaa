use aws_lambda_events::{
    apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest},
    http::{HeaderMap, Method, header::CONTENT_TYPE},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use policy::issuance::Caller;

use crate::{IssuanceError, MAX_REQUEST_BYTES};

/// The members of a proxy event that decide anything here, the same for both formats.
pub(crate) struct ProxyRequest {
    pub(crate) method: Method,
    /// As the API names it: without the stage, and without the base path of a custom domain.
    pub(crate) path: String,
    /// The IAM identity that API Gateway has authenticated.
    pub(crate) caller: Option<Caller>,
    /// Whether every `Content-Type` header is JSON's.
    is_json: bool,
    body: Option<String>,
    is_base64_encoded: bool,
}

impl ProxyRequest {
    /// `version` is the member's JSON text; only HTTP APIs have one. The error is dropped: it quotes
    /// header values.
    pub(crate) fn read(event: &str, version: Option<&str>) -> Result<Self, IssuanceError> {
        if event.len() > MAX_EVENT_BYTES {
            return Err(IssuanceError::RequestTooLarge);
        }
        let request = match version {
            None | Some(r#""1.0""#) => from_format_1(event),
            Some(r#""2.0""#) => from_format_2(event),
            Some(_) => return Err(IssuanceError::Event),
        };
        request.map_err(|_| IssuanceError::Event)
    }

    /// The body, decoded, where its content type is JSON's.
    pub(crate) fn body(self) -> Result<Vec<u8>, IssuanceError> {
        if !self.is_json {
            return Err(IssuanceError::MediaType);
        }
        let body = self.body.ok_or(IssuanceError::Body)?;
        let bytes = if self.is_base64_encoded { decoded_len(&body) } else { body.len() };
        if bytes > MAX_REQUEST_BYTES {
            return Err(IssuanceError::RequestTooLarge);
        }
        if self.is_base64_encoded {
            return STANDARD.decode(body).map_err(|_| IssuanceError::Body);
        }
        Ok(body.into_bytes())
    }
}

/// REST APIs, and HTTP APIs with format 1.0. What a Lambda authorizer returned is in
/// `requestContext.authorizer`, so no caller is read from there.
fn from_format_1(event: &str) -> serde_json::Result<ProxyRequest> {
    let event: ApiGatewayProxyRequest = serde_json::from_str(event)?;
    // The resource of a route with parameters or a wildcard is not the path.
    let resource = event.resource.filter(|resource| !resource.contains(['{', '$']));
    Ok(ProxyRequest {
        method: event.http_method,
        path: resource.or(event.path).unwrap_or_default(),
        caller: iam_caller(event.request_context.identity.user_arn),
        is_json: [&event.headers, &event.multi_value_headers].into_iter().all(is_json),
        body: event.body,
        is_base64_encoded: event.is_base64_encoded,
    })
}

/// HTTP APIs with format 2.0. What a Lambda authorizer returned is in
/// `requestContext.authorizer.lambda`, beside `iam`.
fn from_format_2(event: &str) -> serde_json::Result<ProxyRequest> {
    let event: ApiGatewayV2httpRequest = serde_json::from_str(event)?;
    let context = event.request_context;
    let path = event.raw_path.unwrap_or_default();
    let stage = context.stage.unwrap_or_default();
    let within = path.strip_prefix('/').and_then(|path| path.strip_prefix(&*stage));
    let within = within.filter(|path| path.starts_with('/')).map(str::to_owned);
    let iam = context.authorizer.and_then(|authorizer| authorizer.iam);
    Ok(ProxyRequest {
        method: context.http.method,
        path: within.unwrap_or(path),
        caller: iam_caller(iam.and_then(|iam| iam.user_arn)),
        is_json: is_json(&event.headers),
        body: event.body,
        is_base64_encoded: event.is_base64_encoded,
    })
}

fn iam_caller(arn: Option<String>) -> Option<Caller> {
    arn.filter(|arn| arn.starts_with("arn:") && arn.len() <= MAX_ARN_BYTES).map(Caller::Iam)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().all(|value| {
        let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("application/json")
    })
}

/// How many bytes a text decodes to if it is base64: four characters for three bytes.
fn decoded_len(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

/// No event of API Gateway with an acceptable body is longer. JSON takes at most six characters for a byte
/// of the body (`\u0000`). The request line and the headers, which an event can have twice, take 10,240 bytes
/// (Amazon API Gateway quotas); the request context takes less than that.
const MAX_EVENT_BYTES: usize = 6 * MAX_REQUEST_BYTES + 128 * 1024;

/// No ARN of IAM or STS is longer.
const MAX_ARN_BYTES: usize = 2048;
