//! What commands read: tokens, keys and JSON, from files, standard input and URLs.

use std::{
    error::Error,
    fs::File,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use http::{Request, Uri};
use http_body_util::{BodyExt, Limited};
use jwt::{JwkSet, json};
use local::Bytes;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::aws::{Aws, root_cause};

/// The content of a file, or of standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
    };
    read.map_err(|error| with_path(file, &error))?;
    Ok(bytes)
}

/// The token in the argument, or for `-` the one on standard input without its line end.
pub(crate) fn read_token(argument: &str) -> Result<String, String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let bytes = read(Path::new("-"))?;
    let text = String::from_utf8_lossy(&bytes);
    let token = text.strip_suffix('\n').unwrap_or(&text);
    Ok(token.strip_suffix('\r').unwrap_or(token).to_owned())
}

/// The keys in a file or at a URL: a JWK Set or a single JWK.
pub(crate) async fn read_keys(source: &str, aws: &Aws) -> Result<JwkSet, Box<dyn Error>> {
    let text = if source.starts_with("https://") || source.starts_with("http://") {
        fetch(source, aws).await.map_err(|error| format!("{source}: {error}"))?
    } else {
        read(Path::new(source))?.into()
    };
    let with_source = |problem: &dyn Error| format!("{source}: {problem}");
    let members = json::object(&text).map_err(|error| with_source(&error))?;
    if !members.contains_key("kty") {
        return Ok(JwkSet::read(&text).map_err(|error| with_source(&error))?);
    }
    let set = json!({"keys": [members]}).to_string();
    Ok(JwkSet::read(set.as_bytes()).map_err(|error| with_source(&error))?)
}

/// The keys that an issuer publishes (`OpenID` Connect Discovery 1.0 section 4).
pub(crate) async fn discover(issuer: &str, aws: &Aws) -> Result<JwkSet, Box<dyn Error>> {
    let url = format!("{issuer}/.well-known/openid-configuration");
    let text = fetch(&url, aws).await.map_err(|error| format!("{url}: {error}"))?;
    let metadata = json::object(&text).map_err(|error| format!("{url}: {error}"))?;
    let member = |name: &str| metadata.get(name).and_then(Value::as_str);
    // Section 4.3: the member must be identical to the issuer's URL.
    if member("issuer") != Some(issuer) {
        return Err(format!("{url}: the metadata is of another issuer").into());
    }
    let jwks_uri = member("jwks_uri").ok_or_else(|| format!("{url}: jwks_uri is missing"))?;
    read_keys(jwks_uri, aws).await
}

async fn fetch(url: &str, aws: &Aws) -> Result<Bytes, Box<dyn Error>> {
    let uri: Uri = url.parse()?;
    let mut request = Request::get(uri).header("accept", "application/json");
    request = request.header("user-agent", USER_AGENT);
    let request = HttpRequest::try_from(request.body(SdkBody::empty())?)?;
    let connector = aws.http_connector().await?;
    let body = async {
        let response = connector.call(request).await.map_err(|error| root_cause(&error))?;
        let status = response.status();
        if (300..400).contains(&status.as_u16()) {
            let location = response.headers().get("location").unwrap_or("another URL");
            return Err(format!(
                "the response is a redirect ({status}) to {location}: redirects are not followed; name the URL of the \
                 keys"
            )
            .into());
        }
        if !status.is_success() {
            return Err(format!("the response has the status {status}").into());
        }
        let limit = usize::try_from(MAX_BYTES)?;
        let body = Limited::new(response.into_body(), limit).collect().await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes())
    };
    let seconds = FETCH_TIMEOUT.as_secs();
    timeout(FETCH_TIMEOUT, body)
        .await
        .map_err(|_| format!("there was no response within {seconds} seconds"))?
}

/// An error message that names the file.
pub(crate) fn with_path(file: &Path, problem: &dyn Error) -> String {
    format!("{}: {problem}", file.display())
}

/// Lambda's limit for the payload of an invocation.
const MAX_BYTES: u64 = 6 * 1024 * 1024;
const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
