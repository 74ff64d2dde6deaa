use std::{str::FromStr, time::Duration};

use serde_json::{Map, Value};

use super::{
    Caller, ClientGrant, ClientRequest, DeniedField, IssuanceDefaults, IssuancePolicyError,
    IssuanceRequest, rule::IssuanceRule,
};
use crate::cel::EvaluationContext;

/// An issuance policy: the setting `ISSUANCE_POLICY`, a JSON list of rules.
///
/// A request is granted if one rule for its caller grants all of it. A rule does not grant what it does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuancePolicy(pub(super) Vec<IssuanceRule>);

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
        let claims = EvaluationContext::new(assertion_claims(caller, &none));
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
        let claims = EvaluationContext::new(assertion_claims(caller, &none));
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
        let claims = EvaluationContext::new(assertion_claims(caller, &none));
        self.verdicts(request, caller, &claims, defaults).collect()
    }

    fn verdicts<'a>(
        &'a self,
        request: &ClientRequest<'_>,
        caller: &Caller,
        claims: &EvaluationContext<'a>,
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
