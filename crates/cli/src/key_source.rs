//! Public keys from files and URLs: JWK Sets, single JWKs, PEM, DER and X.509 certificates.

use std::{
    error::Error,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use http::{Request, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jwt::{Jwk, JwkSet, KeyError, KeySetVerifier, PublicKey, json};
use local::Bytes;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    aws::{Aws, has_valid_authority, root_cause},
    exit::{UsageError, with_causes},
    input::{MAX_BYTES, TooLong, read, with_path},
    pem_keys::{self, BEGIN, UnusableBlock},
    signature_check::SignatureCheck,
    terminal,
    terminal::escape,
};

/// Public keys, and the PEM blocks that cannot be used.
pub(crate) struct Keys {
    set: JwkSet,
    unusable: Vec<UnusableBlock>,
}

impl Keys {
    pub(crate) fn into_signature_check(self) -> Result<SignatureCheck, KeyError> {
        Ok(SignatureCheck::KeySet(KeySetVerifier::new(&self.set)?, self.unusable))
    }

    /// Prints a warning for each key that cannot be used.
    fn warn(&self, source: &str) -> io::Result<()> {
        let keys = self.set.unusable.iter().map(|key| {
            let id = key.key_id.as_ref().map(|id| format!(" (kid {id:?})")).unwrap_or_default();
            format!("keys[{}]{id} cannot be used: {}", key.index, with_causes(&key.reason))
        });
        for problem in keys.chain(self.unusable.iter().map(ToString::to_string)) {
            writeln!(terminal::stderr(), "warning: {source}: {}", escape(&problem))?;
        }
        Ok(())
    }
}

/// The keys in a file or at a URL. Prints a warning for each key that cannot be used.
pub(crate) async fn read_keys(source: &str, aws: &Aws) -> Result<Keys, Box<dyn Error>> {
    if is_url(source) {
        let uri = parse_url(source).map_err(|problem| UsageError(format!("--jwks {problem}")))?;
        return fetch_keys(source, uri, aws).await;
    }
    if source.is_empty() {
        return Err(UsageError("--jwks must not be empty".into()).into());
    }
    let file = Path::new(source);
    let keys = parse(&read(file)?)
        .map_err(|problem| UsageError(with_path(file, &io::Error::other(problem))))?;
    keys.warn(source)?;
    Ok(keys)
}

async fn fetch_keys(url: &str, uri: Uri, aws: &Aws) -> Result<Keys, Box<dyn Error>> {
    let text = fetch(uri, aws).await.map_err(|error| with_url(url, error))?;
    let keys = parse(&text).map_err(|problem| format!("{url}: {problem}"))?;
    keys.warn(url)?;
    Ok(keys)
}

/// The keys that an issuer publishes (`OpenID` Connect Discovery 1.0 section 4).
pub(crate) async fn discover(issuer: &str, aws: &Aws) -> Result<Keys, Box<dyn Error>> {
    if !is_url(issuer) {
        let problem =
            "--issuer must be an https URL: without --key and --jwks, the keys are fetched from it";
        return Err(UsageError(problem.into()).into());
    }
    // Section 4.1: a slash at the end is removed from the URL, but not from the name of the issuer.
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let url = format!("{base}/.well-known/openid-configuration");
    let uri = parse_url(&url).map_err(|problem| UsageError(format!("--issuer {problem}")))?;
    let text = fetch(uri, aws).await.map_err(|error| with_url(&url, error))?;
    let metadata = json::object(&text).map_err(|error| format!("{url}: {error}"))?;
    let member = |name: &str| metadata.get(name).and_then(Value::as_str);
    // Section 4.3: the member must be identical to the issuer's URL.
    match member("issuer") {
        Some(name) if name == issuer => {}
        Some(name) => {
            let names = format!("`issuer` is {name:?}, not {issuer:?}");
            return Err(format!("{url}: the metadata belongs to another issuer: {names}").into());
        }
        None => return Err(format!("{url}: issuer is missing").into()),
    }
    let jwks_uri = member("jwks_uri").ok_or_else(|| format!("{url}: jwks_uri is missing"))?;
    let uri = match (is_url(jwks_uri), is_https(issuer), is_https(jwks_uri)) {
        // Anything else would be the name of a file.
        (false, ..) => Err("must be an https URL"),
        (true, true, false) => Err("must be https, as the issuer is"),
        _ => parse_url(jwks_uri),
    };
    match uri {
        Ok(uri) => fetch_keys(jwks_uri, uri, aws).await,
        Err(problem) => Err(format!("{url}: jwks_uri {jwks_uri:?} {problem}").into()),
    }
}

/// A URL that can be requested.
fn parse_url(url: &str) -> Result<Uri, &'static str> {
    let uri = url.parse().ok().filter(has_valid_authority);
    let uri: Uri = uri.ok_or("must be a URL with a host and a valid port")?;
    // The HTTP client would not send them, and errors would print them.
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if has_user { Err("must not have a user name or a password") } else { Ok(uri) }
}

fn is_https(url: &str) -> bool {
    has_scheme(url, "https://")
}

fn is_url(source: &str) -> bool {
    is_https(source) || has_scheme(source, "http://")
}

/// RFC 3986 section 3.1: schemes are case-insensitive.
fn has_scheme(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The error with its URL. An invalid setting has nothing to do with the URL.
fn with_url(url: &str, error: Box<dyn Error>) -> Box<dyn Error> {
    if error.is::<UsageError>() { error } else { format!("{url}: {error}").into() }
}

async fn fetch(uri: Uri, aws: &Aws) -> Result<Bytes, Box<dyn Error>> {
    let request = Request::get(uri).header("accept", "application/json, */*");
    let request = request.header("user-agent", USER_AGENT);
    let request = HttpRequest::try_from(request.body(SdkBody::empty())?)?;
    let connector = aws.http_connector().await?;
    let body = async {
        let response = connector.call(request).await.map_err(|error| root_cause(&error))?;
        let status = response.status().as_u16();
        if (300..400).contains(&status) {
            let location = response.headers().get("location").unwrap_or("an unknown URL");
            let problem = format!(
                "the response is a redirect (status {status}) to {location:?}: redirects are not followed: use the \
                 final URL"
            );
            return Err(problem.into());
        }
        if !(200..300).contains(&status) {
            return Err(format!("the response has the status {status}").into());
        }
        let limit = usize::try_from(MAX_BYTES)?;
        let body = Limited::new(response.into_body(), limit).collect().await;
        match body {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(format!("the response is {TooLong}").into())
            }
            Err(error) => Err(error.to_string().into()),
        }
    };
    let seconds = FETCH_TIMEOUT.as_secs();
    timeout(FETCH_TIMEOUT, body)
        .await
        .map_err(|_| format!("no response within {seconds} seconds"))?
}

/// Reads keys in any of the formats.
fn parse(bytes: &[u8]) -> Result<Keys, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".into());
    }
    let of_set = |set| Keys { set, unusable: Vec::new() };
    if let Ok(text) = str::from_utf8(bytes) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // A member of a JSON object, such as a comment, may have the text of PEM.
        if !text.trim_start().starts_with('{') && text.contains(BEGIN) {
            let (keys, unusable) = pem_keys::parse(text)?;
            return Ok(Keys { set: JwkSet::new(keys), unusable });
        }
        return parse_json(text.as_bytes()).map(of_set).map_err(|error| match error {
            // It says the same, and where.
            KeyError::Json(problem) => problem.to_string(),
            error => with_causes(&error),
        });
    }
    let key = match PublicKey::from_spki(bytes) {
        Err(KeyError::SubjectPublicKeyInfo) => PublicKey::from_certificate(bytes),
        key => key,
    };
    match key {
        Ok(key) => Ok(of_set(JwkSet::new(vec![Jwk { key, key_id: None, algorithm: None }]))),
        Err(KeyError::Certificate) => {
            Err("not a JWK Set, a JWK, PEM, or DER of a public key or a certificate".into())
        }
        Err(error) => Err(with_causes(&error)),
    }
}

fn parse_json(text: &[u8]) -> Result<JwkSet, KeyError> {
    let members = json::object(text).map_err(KeyError::Json)?;
    if !members.contains_key("kty") {
        return JwkSet::read(text);
    }
    JwkSet::read(json!({"keys": [members]}).to_string().as_bytes())
}

const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
