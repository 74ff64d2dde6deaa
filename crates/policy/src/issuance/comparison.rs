//! An issuance policy, compared with other configuration.

use std::time::Duration;

use super::{
    IssuancePolicy, IssuancePolicyError,
    rule::{IssuanceRule, RuleCaller},
    subjects::Subjects,
};

/// A trusted issuer, as the check of a policy needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownIssuer<'a> {
    /// The `iss` of its assertions; of a client, its client id.
    pub name: &'a str,
    /// Whether it is a client that signs its own assertions, with its client id as the subject.
    pub is_client: bool,
    /// Whether its assertions are accepted with certain claims only.
    pub has_required_claims: bool,
}

/// Something about valid rules that an operator should check before they are deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuancePolicyWarning {
    /// A caller from AWS may choose any `sub`, also that of a caller of a trusted issuer.
    #[error(
        "rule {0}: with the `subject` `*`, its callers can get tokens with the `sub` of a caller of a trusted issuer: name \
         the values that they need"
    )]
    AnySubject(usize),
    /// A rule names audiences in full that the authorizer does not accept. That is no error: the rule may be for tokens
    /// that only other services verify.
    #[error(
        "rule {number}: {} not in the parameter `TokenAudience`: tokens with no other `aud` are refused by the authorizer \
         of this stack; add what is missing, unless the tokens are for other services",
        subject_and_verb(audiences)
    )]
    UnacceptedAudiences {
        /// The number of the rule.
        number: usize,
        /// The audiences.
        audiences: Vec<String>,
    },
}

impl IssuancePolicyWarning {
    /// The number of the rule, from 1.
    #[must_use]
    pub const fn rule(&self) -> usize {
        match self {
            Self::AnySubject(number) | Self::UnacceptedAudiences { number, .. } => *number,
        }
    }
}

impl IssuancePolicy {
    /// Checks that no rule has a longer lifetime than the issuer allows.
    ///
    /// # Errors
    /// [`IssuancePolicyError::Lifetime`] with the first rule that has one.
    pub fn check_lifetimes(&self, lifetime_max: Duration) -> Result<(), IssuancePolicyError> {
        let mut rules = self.0.iter().zip(1..);
        rules.try_for_each(|(rule, number)| rule.check_lifetimes(number, lifetime_max))
    }

    /// Checks the rules with all trusted issuers:
    ///
    /// - Each rule is for a trusted issuer.
    /// - No rule admits all users of an identity provider, unless it says so.
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

    /// Warnings about rules that [`check_issuers`](Self::check_issuers) accepts with at least one trusted issuer.
    #[must_use]
    pub fn issuer_warnings(&self) -> Vec<IssuancePolicyWarning> {
        let has_any_subject = |rule: &IssuanceRule| {
            matches!(rule.caller, RuleCaller::Aws(_))
                && rule.subject.as_slice().iter().any(|pattern| pattern == "*")
        };
        let first = self.0.iter().position(has_any_subject);
        first.map(|index| IssuancePolicyWarning::AnySubject(index + 1)).into_iter().collect()
    }

    /// A warning for each rule that names an audience in full that the authorizer does not accept.
    #[must_use]
    pub fn audience_warnings(&self, accepted: &[String]) -> Vec<IssuancePolicyWarning> {
        let unaccepted = |rule: &IssuanceRule| -> Vec<String> {
            let audiences = rule.audience.as_slice().iter();
            let literal = audiences.filter(|audience| !audience.contains('*'));
            literal.filter(|audience| !accepted.contains(audience)).cloned().collect()
        };
        let rules = self.0.iter().map(unaccepted).zip(1..);
        rules
            .filter(|(audiences, _)| !audiences.is_empty())
            .map(|(audiences, number)| IssuancePolicyWarning::UnacceptedAudiences {
                number,
                audiences,
            })
            .collect()
    }
}

/// The names as the subject of a sentence, with its verb: "a and b are", each name in backticks.
fn subject_and_verb(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("{} {}", quoted.join(" and "), if names.len() == 1 { "is" } else { "are" })
}
