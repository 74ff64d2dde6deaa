use std::{collections::BTreeMap, str::FromStr, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Caller, IssuancePolicyError, caller::check_patterns};
use crate::{glob::Patterns, member_error::without_value};

/// An issuance policy: the setting `ISSUANCE_POLICY`, a JSON list of rules.
///
/// A request is granted if one rule for its caller grants all of it. A rule does not grant what it does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuancePolicy(Vec<IssuanceRule>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuanceRule {
    caller: Patterns,
    #[serde(default)]
    subject: Patterns,
    #[serde(default)]
    audience: Patterns,
    #[serde(default)]
    scope: Patterns,
    #[serde(default)]
    claims: ClaimPatterns,
    /// In seconds.
    max_lifetime: Option<u64>,
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

/// A request for a token.
#[derive(Debug, Clone, Copy)]
pub struct IssuanceRequest<'a> {
    /// The requested claims.
    pub claims: &'a Map<String, Value>,
    /// The requested lifetime, if the request has one.
    pub lifetime: Option<Duration>,
}

/// What applies if a request or a rule does not name an audience or a lifetime.
#[derive(Debug, Clone, Copy)]
pub struct IssuanceDefaults<'a> {
    /// The `aud` of a request without one. Every caller may request it.
    pub audience: Option<&'a str>,
    /// The lifetime of a request without one.
    pub lifetime: Duration,
    /// The longest lifetime under a rule without `max_lifetime`.
    pub lifetime_max: Duration,
}

/// The part of a request that no rule grants. The parts are in the order in which a rule is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DeniedField {
    /// No rule is for this caller.
    #[error("the caller")]
    Caller,
    /// `sub`.
    #[error("the subject")]
    Subject,
    /// `aud`.
    #[error("the audience")]
    Audience,
    /// One of the scopes.
    #[error("the scope")]
    Scope,
    /// Another claim, or its value.
    #[error("a claim")]
    Claim,
    /// `expires_in`.
    #[error("the lifetime")]
    Lifetime,
}

impl FromStr for IssuancePolicy {
    type Err = IssuancePolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let objects = jwt::json::objects(text.as_bytes())
            .map_err(|error| IssuancePolicyError::Form(error.to_string()))?;
        let numbered = objects.into_iter().zip(1..);
        let rules = numbered.map(|(members, number)| {
            serde_json::from_value(members.into())
                .map_err(|error| IssuancePolicyError::Member(number, without_value(&error)))
        });
        let rules: Vec<IssuanceRule> = rules.collect::<Result<_, _>>()?;
        for (rule, number) in rules.iter().zip(1..) {
            check_patterns(rule.caller.as_slice())
                .map_err(|problem| IssuancePolicyError::Caller(number, problem))?;
            if rule.max_lifetime == Some(0) {
                return Err(IssuancePolicyError::Lifetime(number));
            }
        }
        Ok(Self(rules))
    }
}

impl IssuancePolicy {
    /// Checks that no rule has a longer lifetime than the issuer allows.
    ///
    /// # Errors
    /// [`IssuancePolicyError::Lifetime`] with the first rule that has one.
    pub fn check_lifetimes(&self, lifetime_max: Duration) -> Result<(), IssuancePolicyError> {
        let is_longer =
            |rule: &IssuanceRule| rule.max_lifetime.is_some_and(|max| max > lifetime_max.as_secs());
        match self.0.iter().position(is_longer) {
            Some(index) => Err(IssuancePolicyError::Lifetime(index + 1)),
            None => Ok(()),
        }
    }

    /// Grants a request, and returns the lifetime of its token.
    ///
    /// # Errors
    /// If no rule grants all of the request: the part that is not granted, for the rule that grants the most parts.
    pub fn grant(
        &self,
        request: &IssuanceRequest<'_>,
        caller: &Caller,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<Duration, DeniedField> {
        let mut denied = DeniedField::Caller;
        let is_for_caller = |rule: &&IssuanceRule| {
            rule.caller.as_slice().iter().any(|pattern| caller.matches(pattern))
        };
        for rule in self.0.iter().filter(is_for_caller) {
            match rule.grant(request, defaults) {
                Ok(lifetime) => return Ok(lifetime),
                Err(field) => denied = denied.max(field),
            }
        }
        Err(denied)
    }
}

impl IssuanceRule {
    fn grant(
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
            if !self.claims.grant(name, value) {
                return Err(DeniedField::Claim);
            }
        }
        let max = self.max_lifetime.map_or(defaults.lifetime_max, Duration::from_secs);
        match request.lifetime {
            Some(lifetime) if lifetime > max => Err(DeniedField::Lifetime),
            Some(lifetime) => Ok(lifetime),
            None => Ok(defaults.lifetime.min(max)),
        }
    }
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
}

impl Default for ClaimPatterns {
    fn default() -> Self {
        Self::Names(Patterns::default())
    }
}

/// The claims for which a rule has a member.
const CLAIMS_WITH_MEMBER: [&str; 3] = ["sub", "aud", "scope"];

#[cfg(test)]
mod tests;
