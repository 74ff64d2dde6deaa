use std::borrow::Cow;

/// The part of a request that no rule grants. The parts are in the order in which a rule is checked; the problem of the
/// rule itself comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DeniedField {
    /// No rule applies to this caller.
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
    /// An expression of the rule was not evaluated, because it would have exceeded the budget of the request.
    #[error(
        "the request: `{member}` of rule {rule} is too expensive for the claims of the assertion, and was not evaluated"
    )]
    OverBudget {
        /// The number of the rule, from 1.
        rule: usize,
        /// The member with the expression.
        member: &'static str,
    },
}

impl DeniedField {
    /// Why a rule does not grant a request of an OAuth client, for the author of the rule.
    ///
    /// ```
    /// use countersign_policy::issuance::DeniedField;
    ///
    /// let reason = DeniedField::Caller.rule_reason();
    /// assert_eq!(format!("rule 1: {reason}"), "rule 1: applies to other callers");
    /// ```
    #[must_use]
    pub fn rule_reason(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Caller => "applies to other callers",
            Self::Condition => "`when` is not true for the claims",
            Self::Subject => "does not grant the subject, or `subject_from` has no text",
            Self::Audience => "does not grant the audience",
            Self::Scope => "does not grant the scope, or has no default scope",
            Self::Claim => "an expression of `claims_from` has no value",
            Self::Lifetime => "does not grant the lifetime",
            Self::OverBudget { member, .. } => {
                let problem = "is too expensive for the claims, and was not evaluated";
                return format!("`{member}` {problem}").into();
            }
        })
    }

    /// The field to report of two rules: that of the rule that grants more, or the first unevaluated expression.
    pub(super) fn or(self, later: Self) -> Self {
        if matches!(self, Self::OverBudget { .. }) { self } else { self.max(later) }
    }
}
