use std::{str::FromStr, time::Duration};

use serde_json::{Map, Value};

use super::{
    Caller, ClientGrant, ClientRequest, DeniedField, IssuanceDefaults, IssuancePolicyError,
    IssuanceRequest,
    rule::{IssuanceRule, RuleCaller},
    subjects::Subjects,
};
use crate::cel::Subject;

/// An issuance policy: the setting `ISSUANCE_POLICY`, a JSON list of rules.
///
/// A request is granted if one rule for its caller grants all of it. A rule does not grant what it does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuancePolicy(Vec<IssuanceRule>);

/// A trusted issuer, as [`IssuancePolicy::check_issuers`] needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownIssuer<'a> {
    /// The `iss` of its assertions; of a client, its client id.
    pub name: &'a str,
    /// Whether it is a client that signs its own assertions, with its client id as the subject.
    pub is_client: bool,
    /// Whether its assertions are accepted with certain claims only.
    pub has_required_claims: bool,
}

/// A granted [`IssuanceRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// The number of the rule, from 1.
    pub rule: usize,
    /// The lifetime of the token.
    pub lifetime: Duration,
}

/// The verdict of a rule on a request, for explanations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVerdict {
    /// The number of the rule, from 1.
    pub rule: usize,
    /// The grant, or the first part of the request that the rule does not grant.
    pub result: Result<ClientGrant, DeniedField>,
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

    /// Checks the rules with all trusted issuers:
    ///
    /// - Each rule is for a trusted issuer.
    /// - No rule admits all users of an identity provider, unless it has a `when`.
    /// - No caller can get the `sub` of a caller of another issuer or of an AWS principal, or the name of a client.
    ///
    /// # Errors
    /// The first problem.
    pub fn check_issuers(&self, trusted: &[KnownIssuer<'_>]) -> Result<(), IssuancePolicyError> {
        match self.issuer_problems(trusted).into_iter().next() {
            Some((_, problem)) => Err(problem),
            None => Ok(()),
        }
    }

    /// The first problem of each rule that [`check_issuers`](Self::check_issuers) refuses, with the number of the rule,
    /// from 1.
    #[must_use]
    pub fn issuer_problems(
        &self,
        trusted: &[KnownIssuer<'_>],
    ) -> Vec<(usize, IssuancePolicyError)> {
        let clients = trusted.iter().filter(|issuer| issuer.is_client).map(|client| client.name);
        let (mut problems, mut earlier) = (Vec::new(), Vec::new());
        for (rule, number) in self.0.iter().zip(1..) {
            let (mut is_client, mut is_restricted) = (false, true);
            if let RuleCaller::Asserted(caller) = &rule.caller {
                let Some(issuer) = trusted.iter().find(|issuer| issuer.name == caller.issuer)
                else {
                    problems.push((number, IssuancePolicyError::UnknownIssuer(number)));
                    continue;
                };
                is_client = issuer.is_client;
                is_restricted =
                    is_client || issuer.has_required_claims || caller.is_restricted(&rule.subject);
            }
            let subjects = Subjects::of_rule(rule, is_client);
            let is_asserted = matches!(rule.caller, RuleCaller::Asserted(_));
            let mut names = clients.clone().filter(|_| is_asserted);
            let client = names.find(|client| subjects.collide_with(&Subjects::of_client(client)));
            let same = earlier.iter().find(|(_, other)| subjects.collide_with(other));
            if !is_restricted {
                problems.push((number, IssuancePolicyError::Unrestricted(number)));
            } else if let Some(client) = client {
                let client = client.to_owned();
                problems.push((number, IssuancePolicyError::ClientSubject { number, client }));
            } else if let Some((other, _)) = same {
                problems.push((number, IssuancePolicyError::SameSubject(*other, number)));
            }
            earlier.push((number, subjects));
        }
        problems
    }

    /// The first rule under which a caller from AWS may choose any `sub`, also that of a caller of a trusted issuer.
    #[must_use]
    pub fn rule_with_any_subject(&self) -> Option<usize> {
        let has_any_subject = |rule: &IssuanceRule| {
            matches!(rule.caller, RuleCaller::Aws(_))
                && rule.subject.as_slice().iter().any(|pattern| pattern == "*")
        };
        self.0.iter().position(has_any_subject).map(|index| index + 1)
    }

    /// The audiences that the rules name without `*`, each with the number of its rule, from 1.
    pub fn literal_audiences(&self) -> impl Iterator<Item = (usize, &str)> {
        self.0.iter().zip(1..).flat_map(|(rule, number)| {
            let literal =
                rule.audience.as_slice().iter().filter(|audience| !audience.contains('*'));
            literal.map(move |audience| (number, audience.as_str()))
        })
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
    /// [`DeniedField::OverBudget`] if an expression was not evaluated, because that rule might have granted it.
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
                Err(field) => denied = denied.or(field),
            }
        }
        Err(denied)
    }

    /// The verdict of each rule on a request of an OAuth client. The first rule that grants it decides.
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

/// The claims that the expressions of a policy read. Only a caller with an assertion has claims.
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
