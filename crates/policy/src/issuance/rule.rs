use std::{collections::BTreeMap, time::Duration};

use jwt::is_plain_identifier;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Caller, CallerError, DeniedField, IssuanceDefaults, IssuancePolicyError, IssuanceRequest,
    asserted::AssertedCaller,
    caller::check_patterns,
    reserved::{CLAIMS_WITH_MEMBER, RESERVED_CLAIMS},
};
use crate::{
    cel::EvaluationContext, glob::Patterns, member_error::without_value, scope::is_scope_token,
};

/// A rule of an issuance policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IssuanceRule {
    pub(super) caller: RuleCaller,
    pub(super) subject: Patterns,
    pub(super) audience: Patterns,
    pub(super) scope: Patterns,
    claims: ClaimPatterns,
    /// In seconds.
    max_lifetime: Option<u64>,
}

/// The callers that a rule applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RuleCaller {
    /// Callers that AWS authenticated.
    Aws(Patterns),
    /// Callers with an assertion of a trusted issuer.
    Asserted(AssertedCaller),
}

/// A rule as JSON has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    caller: RawCaller,
    subject: Option<Patterns>,
    subject_from: Option<String>,
    #[serde(default)]
    audience: Patterns,
    #[serde(default)]
    scope: Patterns,
    claims: Option<ClaimPatterns>,
    claims_from: Option<BTreeMap<String, String>>,
    max_lifetime: Option<u64>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a string or a list of strings, or for `caller` an object with `issuer` and `when`"
)]
enum RawCaller {
    Aws(Patterns),
    Asserted(RawAssertedCaller),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAssertedCaller {
    issuer: String,
    when: Option<String>,
}

/// The claims that a rule grants in addition to `sub`, `aud` and `scope`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected the names of claims, or an object with the values of each claim"
)]
enum ClaimPatterns {
    /// The names of the claims, with any value.
    Names(Patterns),
    /// The strings that each claim may have.
    Values(BTreeMap<String, Patterns>),
}

impl IssuanceRule {
    /// Reads a rule. `number` is its place in the list, from 1.
    pub(super) fn read(
        number: usize,
        members: Map<String, Value>,
    ) -> Result<Self, IssuancePolicyError> {
        let raw: Result<RawRule, _> = serde_json::from_value(members.into());
        let raw =
            raw.map_err(|error| IssuancePolicyError::Member(number, without_value(&error)))?;
        let meaningless =
            |member, reason| Err(IssuancePolicyError::MeaninglessMember { number, member, reason });
        let caller = match raw.caller {
            RawCaller::Aws(patterns) => {
                check_patterns(patterns.as_slice())
                    .map_err(|problem| IssuancePolicyError::Caller(number, problem))?;
                if raw.subject_from.is_some() {
                    return meaningless("subject_from", FOR_ISSUERS);
                }
                if raw.claims_from.is_some() {
                    return meaningless("claims_from", FOR_ISSUERS);
                }
                RuleCaller::Aws(patterns)
            }
            RawCaller::Asserted(RawAssertedCaller { issuer, when }) => {
                if raw.claims.is_some() {
                    return meaningless("claims", FOR_JSON);
                }
                if issuer.is_empty() {
                    return Err(IssuancePolicyError::Caller(number, CallerError::Issuer));
                }
                // Without the member, any subject of the issuer is granted. An empty list must not mean that.
                if raw.subject.as_ref().is_some_and(|patterns| patterns.as_slice().is_empty()) {
                    return Err(IssuancePolicyError::NoSubject(number));
                }
                let claims = raw.claims_from.unwrap_or_default();
                let read = AssertedCaller::read(number, issuer, when, raw.subject_from, claims)?;
                RuleCaller::Asserted(read)
            }
        };
        check_values(number, "audience", &raw.audience, is_audience, AUDIENCE_RULE)?;
        check_values(number, "scope", &raw.scope, is_scope_token, SCOPE_RULE)?;
        let claims = raw.claims.unwrap_or_default();
        if let Some(claim) = claims.reserved() {
            let (member, setter) = ("claims", "the issuer");
            return Err(IssuancePolicyError::ReservedClaim { number, member, claim, setter });
        }
        let rule = Self {
            caller,
            subject: raw.subject.unwrap_or_default(),
            audience: raw.audience,
            scope: raw.scope,
            claims,
            max_lifetime: raw.max_lifetime,
        };
        rule.check_lifetimes(number, Duration::MAX)?;
        Ok(rule)
    }

    /// Checks that each lifetime is at least a second, and at most this one.
    pub(super) fn check_lifetimes(
        &self,
        number: usize,
        lifetime_max: Duration,
    ) -> Result<(), IssuancePolicyError> {
        let valid = 1..=lifetime_max.as_secs();
        match self.max_lifetime {
            Some(lifetime) if !valid.contains(&lifetime) => {
                let (member, max) = ("max_lifetime", "TOKEN_LIFETIME_MAX_SECONDS");
                Err(IssuancePolicyError::Lifetime { number, member, max })
            }
            _ => Ok(()),
        }
    }

    /// Checks that the rule applies to this caller. `claims` are those of its assertion.
    pub(super) fn check_caller<'a>(
        &'a self,
        caller: &Caller,
        claims: &EvaluationContext<'a>,
    ) -> Result<(), DeniedField> {
        match (&self.caller, caller) {
            (RuleCaller::Asserted(rule), Caller::Assertion(identity)) => {
                rule.check(identity, claims)
            }
            (RuleCaller::Aws(patterns), Caller::Invoke | Caller::Iam(_)) => {
                let is_match = patterns.as_slice().iter().any(|pattern| caller.matches(pattern));
                if is_match { Ok(()) } else { Err(DeniedField::Caller) }
            }
            _ => Err(DeniedField::Caller),
        }
    }

    /// Checks what applies to every token: the reserved claims and the lifetime. The caller or the rule chose its claims.
    /// Returns the lifetime of the token.
    pub(super) fn check_limits(
        &self,
        token: &Map<String, Value>,
        requested: Option<Duration>,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<Duration, DeniedField> {
        if RESERVED_CLAIMS.into_iter().any(|name| token.contains_key(name)) {
            return Err(DeniedField::Claim);
        }
        let max = self.max_lifetime.map_or(defaults.lifetime_max, Duration::from_secs);
        match requested {
            Some(lifetime) if lifetime > max => Err(DeniedField::Lifetime),
            Some(lifetime) => Ok(lifetime),
            None => Ok(defaults.lifetime.min(max)),
        }
    }

    /// Grants a request whose claims the caller chose.
    pub(super) fn grant(
        &self,
        request: &IssuanceRequest<'_>,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<Duration, DeniedField> {
        let texts = |name: &str| match request.claims.get(name) {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text.as_str()],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            Some(_) => vec![""],
        };
        let match_all = |texts: &[&str], patterns: &Patterns| {
            texts.iter().all(|text| patterns.match_text(text))
        };
        // If the rule names values, a missing value counts as an empty one: only `*` matches it.
        let match_present = |texts: Vec<&'_ str>, patterns: &Patterns| {
            let is_missing = texts.is_empty() && !patterns.as_slice().is_empty();
            match_all(if is_missing { &[""] } else { &texts }, patterns)
        };
        if !match_present(texts("sub"), &self.subject) {
            return Err(DeniedField::Subject);
        }
        // The default audience needs no rule.
        let default = defaults.audience;
        let audiences = texts("aud").into_iter();
        let others: Vec<&str> = audiences.filter(|audience| Some(*audience) != default).collect();
        let is_default = default.is_some() && others.is_empty();
        if !is_default && !match_present(others, &self.audience) {
            return Err(DeniedField::Audience);
        }
        let scopes: Vec<&str> = texts("scope").iter().flat_map(|scope| scope.split(' ')).collect();
        if !match_all(&scopes, &self.scope) {
            return Err(DeniedField::Scope);
        }
        let other_claims =
            request.claims.iter().filter(|(name, _)| !CLAIMS_WITH_MEMBER.contains(&&***name));
        for (name, value) in other_claims {
            let is_of_client =
                request.has_clients && name == "client_id" && !self.claims.name(name);
            if is_of_client || !self.claims.grant(name, value) {
                return Err(DeniedField::Claim);
            }
        }
        self.check_limits(request.claims, request.lifetime, defaults)
    }
}

/// Refuses patterns that a request can never match: the rule would grant less than its author thinks, and a client that
/// asks for no scope would get an invalid one.
fn check_values(
    number: usize,
    member: &'static str,
    patterns: &Patterns,
    is_valid: fn(&str) -> bool,
    reason: &'static str,
) -> Result<(), IssuancePolicyError> {
    match patterns.as_slice().iter().find(|pattern| !is_valid(pattern)) {
        Some(pattern) => {
            let found = pattern.chars().take(MAX_QUOTED_CHARS).collect();
            Err(IssuancePolicyError::Pattern { number, member, found, reason })
        }
        None => Ok(()),
    }
}

fn is_audience(text: &str) -> bool {
    !text.is_empty() && is_plain_identifier(text)
}

impl ClaimPatterns {
    fn grant(&self, name: &str, value: &Value) -> bool {
        match self {
            Self::Names(names) => names.match_text(name),
            Self::Values(values) => {
                let text = value.as_str();
                values.get(name).zip(text).is_some_and(|(patterns, text)| patterns.match_text(text))
            }
        }
    }

    /// Whether the claim is named in full.
    fn name(&self, claim: &str) -> bool {
        match self {
            Self::Names(names) => names.as_slice().iter().any(|name| name == claim),
            Self::Values(values) => values.contains_key(claim),
        }
    }

    /// A claim that only the issuer sets.
    fn reserved(&self) -> Option<&'static str> {
        RESERVED_CLAIMS.into_iter().find(|claim| self.name(claim))
    }
}

impl Default for ClaimPatterns {
    fn default() -> Self {
        Self::Names(Patterns::default())
    }
}

const FOR_ISSUERS: &str = "it is for a `caller` with `issuer`";
const FOR_JSON: &str = "a caller with `issuer` requests no claims, use `claims_from`";
const AUDIENCE_RULE: &str = "an audience has no white space, control characters or invisible formatting characters, and is not empty";
const SCOPE_RULE: &str = "a scope has printable ASCII characters without space, `\"` and `\\` (RFC 6749 section 3.3), so write a list for several";
/// The number of characters of a pattern that an error quotes.
const MAX_QUOTED_CHARS: usize = 100;
