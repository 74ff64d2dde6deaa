//! The values of `sub` that a rule can give, compared with those of other rules.

use std::borrow::Cow;

use super::{
    caller::is_arn,
    rule::{IssuanceRule, RuleCaller},
};
use crate::glob::globs_overlap;

/// The values of `sub` that the callers of one issuer can get.
pub(super) struct Subjects<'a> {
    /// `None`: the callers that AWS authenticated.
    issuer: Option<&'a str>,
    patterns: Vec<Cow<'a, str>>,
}

impl<'a> Subjects<'a> {
    /// The values that a rule can give.
    pub(super) fn of_rule(rule: &'a IssuanceRule, is_client: bool) -> Self {
        match &rule.caller {
            RuleCaller::Asserted(caller) => Self {
                issuer: Some(&caller.issuer),
                patterns: caller.subjects(&rule.subject, is_client),
            },
            // `*` is for callers that may choose any `sub`, as in the policy of a new deployment.
            RuleCaller::Aws(_) => Self {
                issuer: None,
                patterns: (rule.subject.as_slice().iter())
                    .filter(|pattern| *pattern != "*")
                    .map(|pattern| pattern.as_str().into())
                    .collect(),
            },
        }
    }

    /// The name of a client.
    pub(super) fn of_client(name: &'a str) -> Self {
        Self { issuer: Some(name), patterns: vec![name.into()] }
    }

    /// Whether callers of two issuers could get the same `sub`.
    pub(super) fn collide_with(&self, other: &Self) -> bool {
        let may_be_same = |one: &str, another: &str| {
            // A caller of an issuer gets an ARN only from a pattern of ARNs.
            let is_apart = (self.issuer.is_some() && !is_arn(one) && is_arn(another))
                || (other.issuer.is_some() && is_arn(one) && !is_arn(another));
            !is_apart && globs_overlap(one, another)
        };
        self.issuer != other.issuer
            && self
                .patterns
                .iter()
                .any(|one| other.patterns.iter().any(|another| may_be_same(one, another)))
    }
}
