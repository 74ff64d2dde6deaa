//! What commands read: tokens, keys and JSON, from files, standard input and URLs.

use std::{
    error::Error,
    fs::File,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jwt::{JwkSet, json};
use local::Bytes;
use serde_json::{Value, json};
use tokio::time::timeout;

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
pub(crate) async fn read_keys(source: &str) -> Result<JwkSet, Box<dyn Error>> {
    let text = if source.starts_with("https://") || source.starts_with("http://") {
        fetch(source).await.map_err(|error| format!("{source}: {error}"))?
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
pub(crate) async fn discover(issuer: &str) -> Result<JwkSet, Box<dyn Error>> {
    let url = format!("{issuer}/.well-known/openid-configuration");
    let text = fetch(&url).await.map_err(|error| format!("{url}: {error}"))?;
    let metadata = json::object(&text).map_err(|error| format!("{url}: {error}"))?;
    let member = |name: &str| metadata.get(name).and_then(Value::as_str);
    // Section 4.3: the member must be identical to the issuer's URL.
    if member("issuer") != Some(issuer) {
        return Err(format!("{url}: the metadata is of another issuer").into());
    }
    let jwks_uri = member("jwks_uri").ok_or_else(|| format!("{url}: jwks_uri is missing"))?;
    read_keys(jwks_uri).await
}

async fn fetch(url: &str) -> Result<Bytes, Box<dyn Error>> {
    let tls = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(tls.build());
    let body = async {
        let response = client.get(url.parse()?).await?;
        if !response.status().is_success() {
            return Err(format!("the response is {}", response.status()).into());
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
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
