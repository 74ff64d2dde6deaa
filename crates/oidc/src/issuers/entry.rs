use std::time::Duration;

use jwt::{Algorithm, Jwk, JwkSet, Validation, is_same_token_type};
use serde_json::{Map, Value};

use super::{
    audience::is_shared,
    error::EntryError,
    limits::{MAX_KEYS, MAX_VALUES},
    members::Members,
    own_identity::OwnIdentity,
};
use crate::{ProviderUrl, Transport, discovery::metadata_url};

/// An issuer whose tokens are accepted, or a client that authenticates itself with its key.
///
/// Only [`TrustedIssuers`](crate::TrustedIssuers) creates it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrustedIssuer {
    /// `issuer`: the exact `iss` of its tokens; of a client, its client id.
    pub issuer: String,
    /// `client`: it is a client, which authenticates itself (RFC 7523 section 2.2), and whose tokens are not
    /// authorization grants. Without it, the entry is an issuer, whose tokens are only authorization grants.
    pub is_client: bool,
    /// `audience`: the values of `aud` that are accepted in addition to this issuer's own names.
    pub audiences: Vec<String>,
    /// `algorithms`: the values of `alg`, by default `RS256`.
    pub algorithms: Vec<Algorithm>,
    /// `typ`: the values of `typ` that are accepted in addition to `JWT` and none.
    pub token_types: Vec<String>,
    /// `jwks_uri`, `jwks`, or discovery without both.
    pub keys: KeySource,
    /// `max_age_seconds`: how long after its `iat` a token is accepted at most.
    pub max_age: Option<Duration>,
    /// `subject_claim`: the claim that names the subject, by default `sub`.
    pub subject_claim: String,
    /// `scope_claim`: the claim with the scopes.
    pub scope_claim: Option<String>,
    /// `required_claims`: the claims that a token must have.
    pub required_claims: Vec<RequiredClaim>,
    /// `accept_token_endpoint_audience`: assertions of the client may name the token endpoint in place of the issuer.
    pub accepts_token_endpoint_audience: bool,
}

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

/// A claim that a token must have with one of these values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredClaim {
    /// The name of the claim.
    pub name: String,
    /// Strings, whole numbers, `true` or `false`.
    pub values: Vec<Value>,
}

impl TrustedIssuer {
    pub(super) fn read(
        members: Map<String, Value>,
        transport: Transport,
    ) -> Result<Self, EntryError> {
        let mut members = Members::new(members);
        let issuer = members.name("issuer")?.ok_or(EntryError::Missing("issuer"))?;
        let is_client = members.flag("client")?;
        check_role(&members, is_client)?;
        let algorithms = algorithms(members.names("algorithms")?)?;
        let entry = Self {
            is_client,
            audiences: members.names("audience")?.unwrap_or_default(),
            token_types: members.names("typ")?.unwrap_or_default(),
            keys: key_source(&mut members, &issuer, &algorithms, transport)?,
            algorithms,
            max_age: members.take("max_age_seconds").as_ref().map(max_age).transpose()?,
            subject_claim: members.name("subject_claim")?.unwrap_or_else(|| "sub".to_owned()),
            scope_claim: members.name("scope_claim")?,
            required_claims: required_claims(members.take("required_claims"))?,
            accepts_token_endpoint_audience: members.flag("accept_token_endpoint_audience")?,
            issuer,
        };
        let accepts_shared_audience = members.flag("accept_shared_audience")?;
        members.end()?;
        let is_foreign = |token_type: &&&str| {
            entry.token_types.iter().any(|own| is_same_token_type(own, token_type))
        };
        if let Some(token_type) = NEVER_AN_ASSERTION.iter().find(is_foreign) {
            return Err(EntryError::TokenType(token_type));
        }
        let mut audiences = entry.audiences.iter();
        match audiences.find(|audience| is_shared(audience, &entry.issuer)) {
            Some(audience) if !accepts_shared_audience => {
                Err(EntryError::SharedAudience(audience.clone()))
            }
            _ => Ok(entry),
        }
    }

    /// The requirements on an assertion of the entry for this recipient.
    pub(crate) fn validation(&self, own: &OwnIdentity) -> Validation {
        let mut audiences = vec![own.issuer.clone()];
        let mut token_types = vec!["JWT".to_owned()];
        if self.is_client {
            // draft-ietf-oauth-rfc7523bis: the token endpoint of another server could be the attacker's.
            audiences
                .extend(self.accepts_token_endpoint_audience.then(|| own.token_endpoint.clone()));
            token_types.push("client-authentication+jwt".to_owned());
        } else {
            audiences.push(own.token_endpoint.clone());
            audiences.extend(self.audiences.iter().cloned());
        }
        token_types.extend(self.token_types.iter().cloned());
        let validation = Validation::new(Some(self.issuer.clone()), Some(audiences))
            .with_single_audience()
            .with_token_types(token_types)
            .with_algorithms(self.algorithms.clone())
            .with_leeway(LEEWAY)
            .with_expiry_leeway(Duration::ZERO);
        match self.max_age {
            Some(max_age) => validation.with_max_age(max_age),
            None if self.is_client => validation.with_max_remaining(MAX_REMAINING_OF_CLIENTS),
            None => validation.with_max_remaining(MAX_REMAINING),
        }
    }
}

/// Refuses the members that an issuer or a client cannot have.
fn check_role(members: &Members, is_client: bool) -> Result<(), EntryError> {
    let (of_other, error): (&[&'static str], fn(&'static str) -> EntryError) = if is_client {
        (&["audience", "accept_shared_audience", "subject_claim"], EntryError::ClientMember)
    } else {
        (&["accept_token_endpoint_audience"], EntryError::IssuerMember)
    };
    match of_other.iter().find(|member| members.contains(member)) {
        Some(member) => Err(error(member)),
        None if is_client && !members.contains("jwks") && !members.contains("jwks_uri") => {
            Err(EntryError::ClientKeys)
        }
        None => Ok(()),
    }
}

fn algorithms(names: Option<Vec<String>>) -> Result<Vec<Algorithm>, EntryError> {
    // The default of OpenID Connect Core 1.0 section 2 and of Discovery section 3.
    let Some(names) = names else { return Ok(vec![Algorithm::Rs256]) };
    let symmetric = SYMMETRIC.into_iter().find(|name| names.iter().any(|own| own == name));
    if let Some(name) = symmetric {
        return Err(EntryError::Symmetric(name));
    }
    names.iter().map(|name| name.parse().map_err(EntryError::Algorithm)).collect()
}

fn key_source(
    members: &mut Members,
    issuer: &str,
    algorithms: &[Algorithm],
    transport: Transport,
) -> Result<KeySource, EntryError> {
    match (members.text("jwks_uri")?, members.take("jwks")) {
        (Some(_), Some(_)) => Err(EntryError::TwoKeySources),
        (Some(url), None) => ProviderUrl::parse(&url, transport)
            .map(KeySource::JwksUri)
            .map_err(|problem| EntryError::Url { member: "jwks_uri", problem }),
        (None, Some(keys)) => key_set(&keys, algorithms).map(KeySource::Jwks),
        (None, None) => {
            metadata_url(issuer, transport).map(KeySource::Discovery).map_err(EntryError::Discovery)
        }
    }
}

/// Reads keys that the operator has written: a mistake in one of them is an error, not a key to skip.
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

fn max_age(value: &Value) -> Result<Duration, EntryError> {
    let seconds = value.as_u64().filter(|seconds| (1..=MAX_AGE_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs).ok_or(EntryError::MaxAge)
}

fn required_claims(value: Option<Value>) -> Result<Vec<RequiredClaim>, EntryError> {
    let claims = match value {
        None => return Ok(Vec::new()),
        Some(Value::Object(claims)) => claims,
        Some(_) => return Err(EntryError::RequiredClaims),
    };
    let is_comparable =
        |value: &Value| value.is_string() || value.is_boolean() || value.is_i64() || value.is_u64();
    let claim = |(name, value)| {
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        let is_valid =
            !values.is_empty() && values.len() <= MAX_VALUES && values.iter().all(is_comparable);
        if is_valid { Ok(RequiredClaim { name, values }) } else { Err(EntryError::RequiredClaims) }
    };
    if claims.is_empty() || claims.len() > MAX_VALUES {
        return Err(EntryError::RequiredClaims);
    }
    claims.into_iter().map(claim).collect()
}

/// A year.
const MAX_AGE_SECONDS: u64 = 365 * 24 * 60 * 60;

/// RFC 7518 sections 3.2 and 3.6.
const SYMMETRIC: [&str; 4] = ["HS256", "HS384", "HS512", "none"];

/// Types of tokens that other protocols sign with the same keys, and that anyone may have seen: proofs of possession
/// (RFC 9449, RFC 9901), logout and event tokens (`OpenID` Connect Back-Channel Logout 1.0, RFC 8417), and introspection
/// responses (RFC 9701).
const NEVER_AN_ASSERTION: [&str; 5] =
    ["dpop+jwt", "kb+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt"];

/// How long an assertion may still be valid, if its entry has no `max_age_seconds`. Kubernetes issues tokens of a day, Entra
/// ID tokens of a day and five minutes (managed identities), and most other providers tokens of at most 90 minutes.
const MAX_REMAINING: Duration = Duration::from_hours(25);
/// The same for a client, which makes an assertion for one request.
const MAX_REMAINING_OF_CLIENTS: Duration = Duration::from_hours(1);

/// For `iat` and `nbf`, which providers set to the current time of their clocks.
const LEEWAY: Duration = Duration::from_mins(1);
