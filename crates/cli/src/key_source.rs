//! Public keys from files and URLs: JWK Sets, single JWKs, PEM, DER and X.509 certificates.

use std::{
    error::Error,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use jwt::{Jwk, JwkSet, KeyError, KeySetVerifier, PublicKey, json};
use oidc::{FetchError, FetchLimits, HttpClient, ProviderUrl, Transport, UrlError};
use serde_json::json;

use crate::{
    aws::{Aws, root_cause},
    exit::{UsageError, with_causes},
    input::{MAX_BYTES, TooLong, read, with_path},
    pem_keys::{self, BEGIN, UnusableBlock},
    signature_check::SignatureCheck,
    terminal,
    terminal::escape,
};

/// Public keys, and the PEM blocks that cannot be used.
pub(crate) struct PublicKeys {
    set: JwkSet,
    unusable: Vec<UnusableBlock>,
}

impl PublicKeys {
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
pub(crate) async fn read_keys(source: &str, aws: &Aws) -> Result<PublicKeys, Box<dyn Error>> {
    match ProviderUrl::parse(source, Transport::Http) {
        Ok(url) => return fetch_keys(&url, &client(aws).await?).await,
        // It is the name of a file.
        Err(UrlError::NotHttp) => {}
        Err(problem) => return Err(UsageError(format!("--jwks {problem}")).into()),
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

/// The keys that an issuer publishes (`OpenID` Connect Discovery 1.0 section 4).
pub(crate) async fn discover(issuer: &str, aws: &Aws) -> Result<PublicKeys, Box<dyn Error>> {
    let url = oidc::metadata_url(issuer, Transport::Http).map_err(|problem| {
        let reason = match problem {
            UrlError::NotHttp => ": without --key and --jwks, the keys are fetched from it",
            _ => "",
        };
        UsageError(format!("--issuer {problem}{reason}"))
    })?;
    let http = client(aws).await?;
    let metadata = fetch(&url, &http).await?;
    let jwks_uri = oidc::read_jwks_uri(&metadata, issuer, url.transport())
        .map_err(|problem| format!("{url}: {problem}"))?;
    fetch_keys(&jwks_uri, &http).await
}

async fn client(aws: &Aws) -> Result<HttpClient, UsageError> {
    Ok(HttpClient::from(aws.http_connector().await?))
}

async fn fetch_keys(url: &ProviderUrl, http: &HttpClient) -> Result<PublicKeys, Box<dyn Error>> {
    let keys = parse(&fetch(url, http).await?).map_err(|problem| format!("{url}: {problem}"))?;
    keys.warn(&url.to_string())?;
    Ok(keys)
}

async fn fetch(url: &ProviderUrl, http: &HttpClient) -> Result<Vec<u8>, Box<dyn Error>> {
    let max_bytes = usize::try_from(MAX_BYTES)?;
    let limits = FetchLimits { max_bytes, ..FetchLimits::within(FETCH_TIME) };
    let fetched = http.get(url, limits).await;
    fetched.map_err(|error| format!("{url}: {}", problem(&error)).into())
}

fn problem(error: &FetchError) -> String {
    match error {
        FetchError::Connection(source) => root_cause(source),
        FetchError::Incomplete(source) => root_cause(&**source),
        FetchError::Timeout => format!("no response within {} seconds", FETCH_TIME.as_secs()),
        FetchError::TooLong { .. } => format!("the response is {TooLong}"),
        error => error.to_string(),
    }
}

/// Reads keys in any of the formats.
fn parse(bytes: &[u8]) -> Result<PublicKeys, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".into());
    }
    let of_set = |set| PublicKeys { set, unusable: Vec::new() };
    if let Ok(text) = str::from_utf8(bytes) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // A member of a JSON object, such as a comment, may have the text of PEM.
        if !text.trim_start().starts_with('{') && text.contains(BEGIN) {
            let (keys, unusable) = pem_keys::parse(text)?;
            return Ok(PublicKeys { set: JwkSet::new(keys), unusable });
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
        Ok(key) => Ok(of_set(JwkSet::new(vec![Jwk::new(key)]))),
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

const FETCH_TIME: Duration = Duration::from_secs(10);
