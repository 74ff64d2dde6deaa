use std::iter;

use jwt::TokenCheck;

/// A check of a request. The checks run in the order of [`Check::all`], and the first failure ends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The request has one bearer token.
    Credentials,
    /// The token is valid.
    Token(TokenCheck),
    /// The token is not revoked.
    Revocations,
    /// The access rules open the route.
    Rules,
}

impl Check {
    /// All checks, in their order.
    pub fn all() -> impl Iterator<Item = Self> {
        let token = TokenCheck::ALL.into_iter().map(Self::Token);
        iter::once(Self::Credentials).chain(token).chain([Self::Revocations, Self::Rules])
    }

    /// A short description of what is checked.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credentials => "one bearer token",
            Self::Token(check) => check.name(),
            Self::Revocations => "revocations",
            Self::Rules => "rules",
        }
    }
}
