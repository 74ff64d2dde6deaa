use std::{borrow::Cow, collections::BTreeMap};

use jwt::is_plain_identifier;
use serde_json::{Map, Value};

use super::{
    AssertedIdentity, DeniedField, IssuancePolicyError,
    caller::is_arn,
    reserved::{CLAIMS_WITH_MEMBER, RESERVED_CLAIMS},
};
use crate::{
    cel::{EvaluationContext, Expression, OverBudget},
    glob::{Patterns, glob_matches},
};

/// The callers with an assertion of one trusted issuer, and the values that a rule takes from the assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AssertedCaller {
    /// The number of the rule, from 1.
    number: usize,
    pub(super) issuer: String,
    /// The condition on the claims.
    when: Option<Expression>,
    /// The `sub` of the token. `None`: the subject of the assertion.
    subject_from: Option<Expression>,
    /// The other claims of the token.
    claims_from: BTreeMap<String, Expression>,
}

impl AssertedCaller {
    /// Checks the members of a rule for callers with an assertion.
    pub(super) fn read(
        number: usize,
        issuer: String,
        when: Option<String>,
        subject_from: Option<String>,
        claims_from: BTreeMap<String, String>,
    ) -> Result<Self, IssuancePolicyError> {
        let expression = |member: &'static str, text: String| {
            Expression::new(text).map_err(|problem| IssuancePolicyError::Expression {
                number,
                member,
                problem,
            })
        };
        let when = when.map(|text| expression("when", text)).transpose()?;
        let subject_from = subject_from.map(|text| expression("subject_from", text)).transpose()?;
        let set_elsewhere = [
            ("the issuer", &RESERVED_CLAIMS[..]),
            ("another member", &CLAIMS_WITH_MEMBER[..]),
            ("the issuer", &["client_id"]),
        ];
        for (setter, names) in set_elsewhere {
            if let Some(claim) = names.iter().copied().find(|name| claims_from.contains_key(*name))
            {
                let member = "claims_from";
                return Err(IssuancePolicyError::ReservedClaim { number, member, claim, setter });
            }
        }
        let claims_from = claims_from
            .into_iter()
            .map(|(name, text)| Ok((name, expression("claims_from", text)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self { number, issuer, when, subject_from, claims_from })
    }

    /// Whether the identity is one of these callers. `claims` are those of its assertion.
    pub(super) fn check<'a>(
        &'a self,
        identity: &AssertedIdentity,
        claims: &EvaluationContext<'a>,
    ) -> Result<(), DeniedField> {
        if identity.issuer != self.issuer {
            return Err(DeniedField::Caller);
        }
        let Some(when) = &self.when else { return Ok(()) };
        let is_met = when.evaluate(claims).map_err(|OverBudget| self.over_budget("when"))?;
        if is_met { Ok(()) } else { Err(DeniedField::Condition) }
    }

    const fn over_budget(&self, member: &'static str) -> DeniedField {
        DeniedField::OverBudget { rule: self.number, member }
    }

    /// The `sub` of the token.
    pub(super) fn subject(
        &self,
        identity: &AssertedIdentity,
        claims: &EvaluationContext<'_>,
    ) -> Result<String, DeniedField> {
        let subject = match &self.subject_from {
            None => Some(identity.subject.clone()),
            Some(expression) => {
                let value = expression.value(claims);
                match value.map_err(|OverBudget| self.over_budget("subject_from"))? {
                    Some(Value::String(subject)) => Some(subject),
                    _ => None,
                }
            }
        };
        let is_valid = |subject: &String| !subject.is_empty() && is_plain_identifier(subject);
        subject.filter(is_valid).ok_or(DeniedField::Subject)
    }

    /// Adds the claims that the rule takes from the assertion.
    pub(super) fn add_claims(
        &self,
        token: &mut Map<String, Value>,
        claims: &EvaluationContext<'_>,
    ) -> Result<(), DeniedField> {
        for (name, expression) in &self.claims_from {
            let value = expression.value(claims);
            let value = value.map_err(|OverBudget| self.over_budget("claims_from"))?;
            token.insert(name.clone(), value.ok_or(DeniedField::Claim)?);
        }
        Ok(())
    }

    /// Whether the rule restricts the callers of the issuer. A condition that is always true counts: it admits all
    /// callers explicitly.
    pub(super) fn is_restricted(&self, subject: &Patterns) -> bool {
        let is_any = |pattern: &String| pattern.chars().all(|c| c == '*');
        // With `subject_from`, `subject` limits the subject of the token, not the callers.
        let has_subject = self.subject_from.is_none() && !subject.as_slice().is_empty();
        self.when.is_some() || (has_subject && !subject.as_slice().iter().any(is_any))
    }

    /// Patterns that match every `sub` that the rule can give.
    pub(super) fn subjects<'a>(
        &'a self,
        subject: &'a Patterns,
        is_client: bool,
    ) -> Vec<Cow<'a, str>> {
        if !subject.as_slice().is_empty() {
            return subject.as_slice().iter().map(|pattern| pattern.as_str().into()).collect();
        }
        vec![match &self.subject_from {
            Some(expression) => match expression.literal_start() {
                (text, true) => text.into(),
                (text, false) => format!("{text}*").into(),
            },
            // A client is the subject of its own assertions.
            None if is_client => (&*self.issuer).into(),
            None => "*".into(),
        }]
    }

    /// Whether the rule may give this `sub`. An ARN is the name of an AWS principal: only a rule with an ARN pattern in
    /// `subject`, or with a `subject_from` that starts as an ARN, may give one.
    pub(super) fn may_give(&self, text: &str, subject: &Patterns) -> bool {
        !is_arn(text)
            || match (subject.as_slice(), &self.subject_from) {
                ([], from) => from.as_ref().is_some_and(|from| is_arn(from.literal_start().0)),
                (patterns, _) => {
                    patterns.iter().any(|pattern| is_arn(pattern) && glob_matches(pattern, text))
                }
            }
    }
}
