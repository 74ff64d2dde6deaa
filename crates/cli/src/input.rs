//! What commands read: tokens, keys and JSON, from files, standard input and the web.

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

/// A file's bytes, or those of standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
    };
    read.map_err(|error| about(file, &error))?;
    Ok(bytes)
}

/// A token that was given, or for `-` the one on standard input, without the end of its line.
pub(crate) fn read_token(argument: &str) -> Result<String, String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let bytes = read(Path::new("-"))?;
    let text = String::from_utf8_lossy(&bytes);
    let token = text.strip_suffix('\n').unwrap_or(&text);
    Ok(token.strip_suffix('\r').unwrap_or(token).to_owned())
}

/// The keys in a file or at a URL: a JWK Set, or one JWK.
pub(crate) async fn read_keys(place: &str) -> Result<JwkSet, Box<dyn Error>> {
    let text = if place.starts_with("https://") || place.starts_with("http://") {
        fetch(place).await.map_err(|error| format!("{place}: {error}"))?
    } else {
        read(Path::new(place))?.into()
    };
    let problem = |problem: &dyn Error| format!("{place}: {problem}");
    let members = json::object(&text).map_err(|error| problem(&error))?;
    if !members.contains_key("kty") {
        return Ok(JwkSet::read(&text).map_err(|error| problem(&error))?);
    }
    let set = json!({"keys": [members]}).to_string();
    Ok(JwkSet::read(set.as_bytes()).map_err(|error| problem(&error))?)
}

/// The keys of an issuer that is found by its name (`OpenID` Connect Discovery 1.0 section 4).
pub(crate) async fn discover(issuer: &str) -> Result<JwkSet, Box<dyn Error>> {
    let place = format!("{issuer}/.well-known/openid-configuration");
    let text = fetch(&place).await.map_err(|error| format!("{place}: {error}"))?;
    let metadata = json::object(&text).map_err(|error| format!("{place}: {error}"))?;
    let member = |name: &str| metadata.get(name).and_then(Value::as_str);
    if member("issuer") != Some(issuer) {
        return Err(format!("{place} is of another issuer").into());
    }
    read_keys(member("jwks_uri").ok_or_else(|| format!("{place} has no jwks_uri"))?).await
}

async fn fetch(url: &str) -> Result<Bytes, Box<dyn Error>> {
    let tls = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(tls.build());
    let answer = async {
        let response = client.get(url.parse()?).await?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()).into());
        }
        let limit = usize::try_from(MAX_BYTES)?;
        let body = Limited::new(response.into_body(), limit).collect().await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes())
    };
    timeout(PATIENCE, answer).await.map_err(|_| "there is no answer")?
}

pub(crate) fn about(file: &Path, problem: &dyn Error) -> String {
    format!("{}: {problem}", file.display())
}

/// Lambda's limit for an event, and far past any token.
const MAX_BYTES: u64 = 6 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
