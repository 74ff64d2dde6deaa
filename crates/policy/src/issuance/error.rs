use super::CallerError;
use crate::ExpressionError;

/// Why an issuance policy is refused. Each number is that of a rule, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuancePolicyError {
    /// The text is not a JSON list of objects.
    #[error("is not a JSON list of rules: {0}")]
    Form(String),
    /// A rule has an unknown member, or lacks one, or a member has a value of the wrong type.
    #[error("rule {0}: {1}")]
    Member(usize, String),
    /// The `caller` of a rule is refused.
    #[error("rule {0}: {1}")]
    Caller(usize, CallerError),
    /// A lifetime is 0, or too long.
    #[error("rule {number}: `{member}` must be from 1 second to {max}")]
    Lifetime {
        /// The number of the rule.
        number: usize,
        /// The member with the lifetime.
        member: &'static str,
        /// The name of the longest one.
        max: &'static str,
    },
    /// An expression of a rule is refused.
    #[error("rule {number}: invalid `{member}`: {problem}")]
    Expression {
        /// The number of the rule.
        number: usize,
        /// The member with the expression.
        member: &'static str,
        /// Why it is refused.
        problem: ExpressionError,
    },
    /// A rule has a member that has no meaning for its caller.
    #[error("rule {number}: `{member}` has no meaning here: {reason}")]
    MeaninglessMember {
        /// The number of the rule.
        number: usize,
        /// The member.
        member: &'static str,
        /// Why, and what to write in its place.
        reason: &'static str,
    },
    /// A rule would set a claim that only the issuer sets, or that another member of the rule sets.
    #[error("rule {number}: `{member}` must not name `{claim}`, which {setter} sets")]
    ReservedClaim {
        /// The number of the rule.
        number: usize,
        /// The member that names the claim.
        member: &'static str,
        /// The claim.
        claim: &'static str,
        /// `the issuer`, or `another member` of the rule.
        setter: &'static str,
    },
    /// A pattern that no value can match, because no token can have such a value.
    #[error("rule {number}: `{member}` must not have the value {found:?}: {reason}")]
    Pattern {
        /// The number of the rule.
        number: usize,
        /// The member with the pattern.
        member: &'static str,
        /// The start of the pattern.
        found: String,
        /// The form of valid values.
        reason: &'static str,
    },
    /// `subject` has no pattern, so the rule would never grant anything.
    #[error("rule {0}: `subject` must have at least one pattern")]
    NoSubject(usize),
    /// A rule names an issuer that is not trusted.
    #[error("rule {0}: the issuer of `caller` is not in TRUSTED_ISSUERS")]
    UnknownIssuer(usize),
    /// A rule admits every caller of the issuer.
    #[error(
        "rule {0}: `caller` must have `when`: without it, the rule admits every caller of the issuer. If that is \
         intended, write `\"when\": \"true\"`"
    )]
    Unrestricted(usize),
    /// A caller could get tokens with the name of a client that it is not.
    #[error(
        "rule {number}: `sub` could be the name of the client {client:?}: start the values of `subject_from` with a text \
         of their own, as in `'github:' + claims.repository_id`, or name other patterns in `subject`"
    )]
    ClientSubject {
        /// The number of the rule.
        number: usize,
        /// The client.
        client: String,
    },
    /// Two rules for different issuers, or for an issuer and for callers of AWS, could give tokens the same `sub`.
    #[error(
        "rules {0} and {1}: their callers could give tokens the same `sub`: start the values of `subject_from` with \
         different texts, as in `'github:' + claims.repository_id`, or name different patterns in `subject`"
    )]
    SameSubject(usize, usize),
}
