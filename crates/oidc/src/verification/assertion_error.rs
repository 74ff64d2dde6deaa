use std::fmt;

use jwt::Rejection;

use crate::ClaimRefusal;

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
    /// The entry of its issuer refuses its claims.
    Claims(ClaimRefusal),
    /// It is revoked. The verifier does not check revocations: its caller does.
    Revoked,
}

impl AssertionError {
    /// A stable name of the reason, for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match &self.refusal {
            AssertionRefusal::Token(rejection) => rejection.code(),
            AssertionRefusal::Claims(refusal) => refusal.code(),
            AssertionRefusal::Revoked => "Revoked",
        }
    }
}

impl fmt::Display for AssertionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusal {
            AssertionRefusal::Token(rejection) => {
                write!(f, "the assertion {}", rejection.summary())
            }
            AssertionRefusal::Claims(refusal) => refusal.fmt(f),
            AssertionRefusal::Revoked => f.write_str("the assertion is revoked"),
        }
    }
}

impl std::error::Error for AssertionError {}
