//! Public keys from files and URLs: JWK Sets, single JWKs, PEM, DER and X.509 certificates.

use std::{error::Error, io::Write, path::Path, time::Duration};

use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, Uri};
use http_body_util::{BodyExt, Limited};
use jwt::{Algorithm, Jwk, JwkSet, KeyError, PublicKey, json};
use local::Bytes;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    aws::{Aws, root_cause},
    exit::{UsageError, with_causes},
    input::{MAX_BYTES, read},
    terminal,
    terminal::escape,
};

/// The keys in a file or at a URL. Prints a warning for each key that cannot be used.
pub(crate) async fn read_keys(source: &str, aws: &Aws) -> Result<JwkSet, Box<dyn Error>> {
    let text = if is_url(source) {
        fetch(source, aws).await.map_err(|error| with_url(source, error))?
    } else {
        read(Path::new(source))?.into()
    };
    let set = parse(&text).map_err(|problem| format!("{source}: {problem}"))?;
    for key in &set.unusable {
        let id = key.key_id.as_ref().map(|id| format!(" (kid {id:?})")).unwrap_or_default();
        let reason = escape(&with_causes(&key.reason));
        let index = key.index;
        writeln!(
            terminal::stderr(),
            "warning: {source}: keys[{index}]{id} cannot be used: {reason}"
        )?;
    }
    Ok(set)
}

/// The keys that an issuer publishes (`OpenID` Connect Discovery 1.0 section 4).
pub(crate) async fn discover(issuer: &str, aws: &Aws) -> Result<JwkSet, Box<dyn Error>> {
    if !is_url(issuer) {
        let problem =
            "without --key and --jwks, --issuer must be an https URL, whose keys are fetched";
        return Err(UsageError(problem.into()).into());
    }
    // Section 4.1: a slash at the end is removed from the URL, but not from the name of the issuer.
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let url = format!("{base}/.well-known/openid-configuration");
    let text = fetch(&url, aws).await.map_err(|error| with_url(&url, error))?;
    let metadata = json::object(&text).map_err(|error| format!("{url}: {error}"))?;
    let member = |name: &str| metadata.get(name).and_then(Value::as_str);
    // Section 4.3: the member must be identical to the issuer's URL.
    match member("issuer") {
        Some(name) if name == issuer => {}
        Some(name) => {
            let names = format!("its issuer is {name:?}, not {issuer:?}");
            return Err(format!("{url}: the metadata is of another issuer: {names}").into());
        }
        None => return Err(format!("{url}: issuer is missing").into()),
    }
    let jwks_uri = member("jwks_uri").ok_or_else(|| format!("{url}: jwks_uri is missing"))?;
    let problem = match (is_url(jwks_uri), is_https(issuer), is_https(jwks_uri)) {
        // Anything else would be read as the name of a file.
        (false, ..) => Some("must be an https URL"),
        (true, true, false) => Some("must be https, as the issuer is"),
        _ => None,
    };
    match problem {
        Some(problem) => Err(format!("{url}: jwks_uri {jwks_uri:?} {problem}").into()),
        None => read_keys(jwks_uri, aws).await,
    }
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

async fn fetch(url: &str, aws: &Aws) -> Result<Bytes, Box<dyn Error>> {
    let uri: Uri = url.parse()?;
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
                "the response is a redirect (status {status}) to {location:?}: redirects are not followed, name the \
                 final URL"
            );
            return Err(problem.into());
        }
        if !(200..300).contains(&status) {
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

/// Reads keys in any of the formats.
fn parse(bytes: &[u8]) -> Result<JwkSet, String> {
    if let Ok(text) = str::from_utf8(bytes) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.contains(BEGIN) {
            return parse_pem(text);
        }
        return parse_json(text.as_bytes()).map_err(|error| with_causes(&error));
    }
    let key = match PublicKey::from_spki(bytes) {
        Err(KeyError::SubjectPublicKeyInfo) => PublicKey::from_certificate(bytes),
        key => key,
    };
    match key {
        Ok(key) => Ok(JwkSet::new(vec![Jwk { key, key_id: None, algorithm: None }])),
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

/// Reads each public key and certificate of a PEM file (RFC 7468). The line before a key may have its id and its
/// algorithm, as `countersign pem` writes it.
fn parse_pem(text: &str) -> Result<JwkSet, String> {
    let mut keys = Vec::new();
    let mut lines = text.lines().map(str::trim);
    let mut before = "";
    while let Some(line) = lines.next() {
        let label = line.strip_prefix(BEGIN).and_then(|line| line.strip_suffix("-----"));
        let Some(label) = label else {
            before = line;
            continue;
        };
        let number = keys.len() + 1;
        let problem = |problem: String| format!("PEM block {number}: {problem}");
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        loop {
            match lines.next() {
                None => return Err(problem(format!("{end} is missing"))),
                Some(line) if line == end => break,
                Some(line) => body.push_str(line),
            }
        }
        let der = STANDARD.decode(&body).map_err(|_| problem("it is not base64".into()))?;
        let key = match label {
            "PUBLIC KEY" => PublicKey::from_spki(&der),
            "CERTIFICATE" | "X509 CERTIFICATE" => PublicKey::from_certificate(&der),
            _ if label.ends_with("PRIVATE KEY") => {
                return Err(problem(
                    "it is a private key, but only public keys are allowed".into(),
                ));
            }
            _ => {
                let kinds = "PUBLIC KEY or CERTIFICATE";
                return Err(problem(format!("{label:?} is not supported, only {kinds}")));
            }
        };
        let key = key.map_err(|error| problem(with_causes(&error)))?;
        let (key_id, algorithm) = match before.split_once(' ') {
            Some((id, name)) if Algorithm::from_name(name).is_some() => {
                (Some(id.to_owned()), Algorithm::from_name(name))
            }
            _ => (None, None),
        };
        keys.push(Jwk { key, key_id, algorithm });
        before = "";
    }
    if keys.is_empty() { Err("there is no PEM block".into()) } else { Ok(JwkSet::new(keys)) }
}

const BEGIN: &str = "-----BEGIN ";
const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
