use std::fmt;

use jwt::Rejection;

/// Why an assertion is refused.
///
/// `Display` is the text for the caller. It does not quote the assertion, because nothing in it is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionError {
    /// The entry that the assertion names as its issuer, if there is one for the purpose. The name is that of the entry;
    /// it is not proved that the assertion is of this issuer.
    pub issuer: Option<String>,
    /// The reason.
    pub refusal: AssertionRefusal,
}

/// The reasons to refuse an assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionRefusal {
    /// It is not a valid token of a trusted issuer for this recipient. [`Rejection::Issuer`] also for an issuer that is
    /// trusted for another purpose.
    Token(Rejection),
    /// It is bound to a key (`cnf`), which the request does not prove.
    Bound,
    /// It has this claim, which only tokens for another purpose have.
    OtherPurpose(&'static str),
    /// It names an actor who acts for its subject (`act`, RFC 8693 section 4.1), which a token for the subject would
    /// not show.
    Delegated,
    /// It is revoked. The verifier does not check revocations: its caller does.
    Revoked,
    /// This claim of `required_claims` is missing, or has another value.
    RequiredClaim(String),
    /// The claim with the subject is missing, or not a text.
    NoSubject,
    /// `sub` of a client assertion differs from `iss` (RFC 7523 section 3).
    ClientSubject,
}

impl AssertionRefusal {
    /// A stable name of the reason, for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Token(rejection) => rejection.code(),
            Self::Bound => "BoundAssertion",
            Self::OtherPurpose(_) => "OtherPurpose",
            Self::Delegated => "DelegatedAssertion",
            Self::Revoked => "Revoked",
            Self::RequiredClaim(_) => "RequiredClaim",
            Self::NoSubject => "NoSubject",
            Self::ClientSubject => "ClientSubject",
        }
    }
}

impl AssertionError {
    /// A stable name of the reason, for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.refusal.code()
    }
}

impl fmt::Display for AssertionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.refusal {
            AssertionRefusal::Token(rejection) => {
                return write!(f, "the assertion {}", rejection.summary());
            }
            AssertionRefusal::Bound => {
                "the assertion is bound to a key, which the request does not prove"
            }
            AssertionRefusal::OtherPurpose(_) => "the assertion is a token for another purpose",
            AssertionRefusal::Delegated => {
                "the assertion is for an actor on behalf of its subject (`act`)"
            }
            AssertionRefusal::Revoked => "the assertion is revoked",
            AssertionRefusal::RequiredClaim(_) => {
                "the assertion lacks a claim that its issuer must set"
            }
            AssertionRefusal::NoSubject => "the assertion has no subject",
            AssertionRefusal::ClientSubject => {
                "`iss` and `sub` of the assertion must be the client id"
            }
        })
    }
}

impl std::error::Error for AssertionError {}
