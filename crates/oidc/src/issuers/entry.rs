use std::{ops::RangeInclusive, time::Duration};

use jwt::{Algorithm, Validation, is_same_token_type};
use serde_json::{Map, Value};

use super::{
    audience::is_shared,
    error::EntryError,
    key_source::KeySource,
    limits::{MAX_CLAIM_VALUES, MAX_REQUIRED_CLAIMS},
    members::Members,
    own_identity::OwnIdentity,
};
use crate::Transport;

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
            keys: KeySource::read(&mut members, &issuer, &algorithms, transport)?,
            algorithms,
            max_age: members.number("max_age_seconds", MAX_AGE_SECONDS)?.map(Duration::from_secs),
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

    /// Checks the claims whose meaning depends on the entry. Returns the subject; of a client, its client id.
    ///
    /// The signature, `iss`, `aud`, `typ` and the times are checked before: see
    /// [`IssuerVerifier::verify`](crate::IssuerVerifier::verify).
    ///
    /// # Errors
    /// The first reason to refuse the assertion.
    pub fn check_claims<'a>(
        &self,
        claims: &'a Map<String, Value>,
    ) -> Result<&'a str, ClaimRefusal> {
        if claims.contains_key("cnf") {
            return Err(ClaimRefusal::Bound);
        }
        // Their `typ` is recommended only, so a token of another purpose may have none.
        if let Some(claim) = OTHER_PURPOSES.into_iter().find(|name| claims.contains_key(*name)) {
            return Err(ClaimRefusal::OtherPurpose(claim));
        }
        if claims.contains_key("act") {
            return Err(ClaimRefusal::Delegated);
        }
        let is_missing = |name: &str, values: &[Value]| {
            claims.get(name).is_none_or(|value| !values.contains(value))
        };
        let mut required = self.required_claims.iter();
        if let Some(claim) = required.find(|claim| is_missing(&claim.name, &claim.values)) {
            return Err(ClaimRefusal::RequiredClaim(claim.name.clone()));
        }
        let text =
            |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if self.is_client {
            let subject = text("sub").filter(|subject| *subject == self.issuer);
            subject.ok_or(ClaimRefusal::ClientSubject)
        } else {
            text(&self.subject_claim)
                .ok_or_else(|| ClaimRefusal::NoSubject(self.subject_claim.clone()))
        }
    }
}

/// Why the claims of an assertion are refused.
///
/// `Display` is the text for the caller. It quotes neither the assertion nor the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimRefusal {
    /// The assertion is bound to a key (`cnf`), which the request does not prove.
    #[error("the assertion is bound to a key, which the request does not prove")]
    Bound,
    /// It has this claim, which only tokens for another purpose have.
    #[error("the assertion is a token for another purpose")]
    OtherPurpose(&'static str),
    /// It names an actor who acts for its subject (`act`, RFC 8693 section 4.1), which a token for the subject would not
    /// say.
    #[error("the assertion is for an actor on behalf of its subject (`act`)")]
    Delegated,
    /// This claim of `required_claims` is missing, or has another value.
    #[error("the assertion lacks a claim that its issuer must set")]
    RequiredClaim(String),
    /// This claim, which names the subject, is missing, empty or not a string.
    #[error("the assertion has no subject")]
    NoSubject(String),
    /// `sub` of a client assertion differs from `iss` (RFC 7523 section 3).
    #[error("`iss` and `sub` of the assertion must be the client id")]
    ClientSubject,
}

impl ClaimRefusal {
    /// A stable name of the reason, for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bound => "BoundAssertion",
            Self::OtherPurpose(_) => "OtherPurpose",
            Self::Delegated => "DelegatedAssertion",
            Self::RequiredClaim(_) => "RequiredClaim",
            Self::NoSubject(_) => "NoSubject",
            Self::ClientSubject => "ClientSubject",
        }
    }

    /// What the entry requires, for its operator.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::RequiredClaim(claim) => {
                Some(format!("`required_claims` of its issuer names `{claim}`"))
            }
            Self::NoSubject(claim) => Some(format!("`{claim}` is missing, empty or not a string")),
            Self::Bound | Self::OtherPurpose(_) | Self::Delegated | Self::ClientSubject => None,
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
        let is_valid = !values.is_empty()
            && values.len() <= MAX_CLAIM_VALUES
            && values.iter().all(is_comparable);
        if is_valid { Ok(RequiredClaim { name, values }) } else { Err(EntryError::RequiredClaims) }
    };
    if claims.is_empty() || claims.len() > MAX_REQUIRED_CLAIMS {
        return Err(EntryError::RequiredClaims);
    }
    claims.into_iter().map(claim).collect()
}

/// A second to a year.
const MAX_AGE_SECONDS: RangeInclusive<u64> = 1..=365 * 24 * 60 * 60;

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

/// The claims of logout and event tokens (RFC 8417 section 2.2, `OpenID` Connect Back-Channel Logout 1.0), and of
/// introspection responses (RFC 9701 section 5).
const OTHER_PURPOSES: [&str; 2] = ["events", "token_introspection"];
