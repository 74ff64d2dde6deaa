use jwt::{Algorithm, Jwk, JwkSet};
use serde_json::Value;

use super::{error::EntryError, limits::MAX_KEYS, members::Members};
use crate::{ProviderUrl, Transport, discovery::metadata_url};

/// The source of the keys of an issuer.
#[derive(Debug, Clone, PartialEq)]
pub enum KeySource {
    /// At the `jwks_uri` of its metadata, which are at this URL (`OpenID` Connect Discovery 1.0 section 4).
    Discovery(ProviderUrl),
    /// At this URL.
    JwksUri(ProviderUrl),
    /// In the entry.
    Jwks(JwkSet),
}

impl KeySource {
    /// Reads the members of an entry that say where its keys are.
    pub(super) fn read(
        members: &mut Members,
        issuer: &str,
        algorithms: &[Algorithm],
        transport: Transport,
    ) -> Result<Self, EntryError> {
        match (members.text("jwks_uri")?, members.take("jwks")) {
            (Some(_), Some(_)) => Err(EntryError::TwoKeySources),
            (Some(url), None) => ProviderUrl::parse(&url, transport)
                .map(Self::JwksUri)
                .map_err(|problem| EntryError::Url { member: "jwks_uri", problem }),
            (None, Some(keys)) => key_set(&keys, algorithms).map(Self::Jwks),
            (None, None) => {
                metadata_url(issuer, transport).map(Self::Discovery).map_err(EntryError::Discovery)
            }
        }
    }
}

/// Reads keys that the operator has written: a mistake in one of them is to be corrected, not to be skipped.
fn key_set(keys: &Value, algorithms: &[Algorithm]) -> Result<JwkSet, EntryError> {
    let set = JwkSet::read(keys.to_string().as_bytes()).map_err(EntryError::KeySet)?;
    if let Some(key) = set.unusable.into_iter().next() {
        return Err(EntryError::UnusableKey { index: key.index, problem: key.reason });
    }
    if set.keys.is_empty() || set.keys.len() > MAX_KEYS {
        return Err(EntryError::KeyCount(set.keys.len()));
    }
    let fits = |key: &Jwk| match key.algorithm {
        Some(algorithm) => algorithms.contains(&algorithm),
        None => key.key.algorithms().iter().any(|algorithm| algorithms.contains(algorithm)),
    };
    if !set.keys.iter().any(fits) {
        return Err(EntryError::NoFittingKey);
    }
    Ok(JwkSet::new(set.keys))
}
