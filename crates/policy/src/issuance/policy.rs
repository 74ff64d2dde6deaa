use std::{str::FromStr, time::Duration};

use serde_json::{Map, Value};

use super::{
    Caller, ClientGrant, ClientRequest, IssuancePolicyError,
    asserted::share_subject,
    rule::{IssuanceRule, RuleCaller},
};
use crate::cel::Subject;

/// An issuance policy: the setting `ISSUANCE_POLICY`, a JSON list of rules.
///
/// A request is granted if one rule for its caller grants all of it. A rule does not grant what it does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuancePolicy(Vec<IssuanceRule>);

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

/// A granted [`IssuanceRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// The number of the rule, from 1.
    pub rule: usize,
    /// The lifetime of the token.
    pub lifetime: Duration,
}

/// What a rule says about a request, for explanations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVerdict {
    /// The number of the rule, from 1.
    pub rule: usize,
    /// What the rule grants, or the first part of the request that it does not grant.
    pub result: Result<ClientGrant, DeniedField>,
}

/// The part of a request that no rule grants. The parts are in the order in which a rule is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DeniedField {
    /// No rule is for this caller.
    #[error("the caller")]
    Caller,
    /// `when` is not true for the claims of the caller's assertion.
    #[error("the claims of the assertion")]
    Condition,
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
        let rules = numbered.map(|(members, number)| IssuanceRule::read(number, members));
        Ok(Self(rules.collect::<Result<_, _>>()?))
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

    /// Checks the rules for callers with an assertion: each issuer is trusted, and no two issuers can give tokens the same
    /// `sub`. `is_client` says of a trusted issuer whether it is a client that signs its own assertions, with its client
    /// id as the subject. `None`: it is not trusted.
    ///
    /// # Errors
    /// The first problem.
    pub fn check_issuers(
        &self,
        is_client: impl Fn(&str) -> Option<bool>,
    ) -> Result<(), IssuancePolicyError> {
        let mut earlier = Vec::new();
        for (rule, number) in self.0.iter().zip(1..) {
            let RuleCaller::Asserted(caller) = &rule.caller else { continue };
            let is_client =
                is_client(&caller.issuer).ok_or(IssuancePolicyError::UnknownIssuer(number))?;
            let this = (caller, rule, is_client);
            let same = earlier.iter().find(|(_, other)| share_subject(this, *other));
            if let Some((other, _)) = same {
                return Err(IssuancePolicyError::SameSubject(*other, number));
            }
            earlier.push((number, this));
        }
        Ok(())
    }

    /// Grants a request.
    ///
    /// # Errors
    /// If no rule grants all of the request: the part that is not granted, for the rule that grants the most parts.
    pub fn grant(
        &self,
        request: &IssuanceRequest<'_>,
        caller: &Caller,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<Granted, DeniedField> {
        let (mut denied, none) = (DeniedField::Caller, Map::new());
        let claims = Subject::new(assertion_claims(caller, &none));
        for (rule, number) in self.0.iter().zip(1..) {
            let granted =
                rule.check_caller(caller, &claims).and_then(|()| rule.grant(request, defaults));
            match granted {
                Ok(lifetime) => return Ok(Granted { rule: number, lifetime }),
                Err(field) => denied = denied.max(field),
            }
        }
        Err(denied)
    }

    /// Grants a request of an OAuth client.
    ///
    /// # Errors
    /// If no rule grants all of the request: the part that is not granted, for the rule that grants the most parts.
    pub fn grant_to_client(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller,
        defaults: &IssuanceDefaults<'_>,
    ) -> Result<ClientGrant, DeniedField> {
        let (mut denied, none) = (DeniedField::Caller, Map::new());
        let claims = Subject::new(assertion_claims(caller, &none));
        for verdict in self.verdicts(request, caller, &claims, defaults) {
            match verdict.result {
                Ok(grant) => return Ok(grant),
                Err(field) => denied = denied.max(field),
            }
        }
        Err(denied)
    }

    /// What each rule says about a request of an OAuth client. The first rule that grants it decides.
    #[must_use]
    pub fn explain(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller,
        defaults: &IssuanceDefaults<'_>,
    ) -> Vec<RuleVerdict> {
        let none = Map::new();
        let claims = Subject::new(assertion_claims(caller, &none));
        self.verdicts(request, caller, &claims, defaults).collect()
    }

    fn verdicts<'a>(
        &'a self,
        request: &ClientRequest<'_>,
        caller: &Caller,
        claims: &Subject<'a>,
        defaults: &IssuanceDefaults<'_>,
    ) -> impl Iterator<Item = RuleVerdict> {
        self.0.iter().zip(1..).map(move |(rule, number)| {
            let granted = rule
                .check_caller(caller, claims)
                .and_then(|()| rule.grant_to_client(request, caller, claims, defaults));
            let result =
                granted.map(|(claims, lifetime)| ClientGrant { rule: number, claims, lifetime });
            RuleVerdict { rule: number, result }
        })
    }
}

/// The claims that the expressions of a policy read. Only a caller with an assertion has some.
fn assertion_claims<'a>(
    caller: &'a Caller,
    none: &'a Map<String, Value>,
) -> &'a Map<String, Value> {
    match caller {
        Caller::Assertion(identity) => &identity.claims,
        _ => none,
    }
}

#[cfg(test)]
mod tests;
