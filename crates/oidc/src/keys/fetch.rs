use std::time::Duration;

use jwt::{Algorithm, JwkSet};
use tokio::time::Instant;

use super::{error::KeysError, issuer_keys::IssuerKeys};
use crate::{FetchLimits, HttpClient, ProviderUrl, discovery::read_jwks_uri};

/// The source from which the keys of an issuer are fetched.
#[derive(Debug, Clone)]
pub(crate) enum RemoteSource {
    /// The metadata of the issuer, which name the URL of the keys.
    Discovery(ProviderUrl),
    JwksUri(ProviderUrl),
}

/// Fetches the keys of an issuer, after its metadata if the keys are discovered.
pub(super) async fn fetch(
    http: &HttpClient,
    issuer: &str,
    source: &RemoteSource,
    algorithms: &[Algorithm],
) -> Result<IssuerKeys, KeysError> {
    let limits =
        FetchLimits { deadline: Instant::now() + FETCH_TIME, max_bytes: FetchLimits::MAX_BYTES };
    let jwks_uri = match source {
        RemoteSource::JwksUri(url) => url.clone(),
        RemoteSource::Discovery(url) => {
            let metadata = get(http, url, limits).await?;
            read_jwks_uri(&metadata, issuer, url.transport())
                .map_err(|error| KeysError::Metadata { url: url.to_string(), error })?
        }
    };
    let text = get(http, &jwks_uri, limits).await?;
    let set = JwkSet::read_of_others(&text)
        .map_err(|error| KeysError::KeySet { url: jwks_uri.to_string(), error })?;
    IssuerKeys::new(set, algorithms)
}

async fn get(
    http: &HttpClient,
    url: &ProviderUrl,
    limits: FetchLimits,
) -> Result<Vec<u8>, KeysError> {
    let text = http.get(url, limits).await;
    let text = text.map_err(|error| KeysError::Fetch { url: url.to_string(), error })?;
    // Before it is parsed, because parsed objects need much more memory than their text.
    if text.split(|byte| *byte == b'{').nth(MAX_OBJECTS + 1).is_some() {
        return Err(KeysError::TooManyObjects(url.to_string()));
    }
    Ok(text)
}

/// The number of objects in a document. Each key is one.
const MAX_OBJECTS: usize = 1000;

/// The time of both requests together. A caller waits for them, and the function has a deadline.
const FETCH_TIME: Duration = Duration::from_secs(3);
