//! Requests to the API of a stack.

use super::engine::{Credentials, REGION};
use crate::{error::Error, workspace::Workspace};

/// A request.
#[derive(Debug, Clone, Default)]
pub(super) struct Request<'a> {
    pub(super) url: String,
    /// By default GET, or POST with a body.
    pub(super) method: Option<&'static str>,
    /// The value of the header `Authorization`.
    pub(super) authorization: Option<String>,
    /// Signs the request, as IAM needs it.
    pub(super) credentials: Option<&'a Credentials>,
    pub(super) body: Option<String>,
    /// By default JSON.
    pub(super) content_type: Option<&'static str>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// Sends requests with curl, as the documentation does.
pub(super) fn send(workspace: &Workspace, request: &Request<'_>) -> Result<Response, Error> {
    let mut curl = workspace.command("curl")?.args(["--silent", "--show-error", "--include"]);
    curl = curl.args(["--noproxy", "*", "--max-time", "30"]);
    if let Some(method) = request.method {
        curl = curl.args(["--request", method]);
    }
    if let Some(authorization) = &request.authorization {
        curl = curl.args(["--header", &format!("Authorization: {authorization}")]);
    }
    if let Some(Credentials { access_key, secret_key }) = request.credentials {
        curl = curl.args(["--aws-sigv4", &format!("aws:amz:{REGION}:execute-api")]);
        curl = curl.args(["--user", &format!("{access_key}:{secret_key}")]);
    }
    if let Some(body) = &request.body {
        let content_type = request.content_type.unwrap_or("application/json");
        let content_type = format!("Content-Type: {content_type}");
        curl = curl.args(["--header", &content_type, "--data-binary", body]);
    }
    let output = curl.args([&request.url]).stdout()?;
    let text = String::from_utf8_lossy(&output);
    // Without the URL's query and without the command line, which has the token.
    parse(&text).ok_or_else(|| Error::Check(format!("{}: not an HTTP response", request.url)))
}

/// Reads what `curl --include` prints.
fn parse(text: &str) -> Option<Response> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Some(Response { status, headers: lines.filter_map(header).collect(), body: body.to_owned() })
}

impl Response {
    /// The value of a header, whose name is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_of_curl_is_read() {
        let text =
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\r\n{\"a\":\"\r\n\r\n\"}";
        let response = parse(text).unwrap();
        assert_eq!((response.status, response.body.as_str()), (401, "{\"a\":\"\r\n\r\n\"}"));
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        assert_eq!(response.header("server"), None);
    }

    #[test]
    fn other_output_is_not_a_response() {
        for text in ["", "HTTP/1.1 200 OK", "HTTP/1.1 OK\r\n\r\n"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
