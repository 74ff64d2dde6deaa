use jwt::{KeyError, PLAIN_IDENTIFIER_RULE, UnknownAlgorithm, json::JsonError};

use super::limits::{
    MAX_CLAIM_VALUES, MAX_KEYS, MAX_NAME_CHARS, MAX_NAMES, MAX_REQUIRED_CLAIMS, MAX_TRUSTED_ISSUERS,
};
use crate::UrlError;

/// Why a list of trusted issuers is refused. Each number is that of an entry, from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrustedIssuersError {
    /// The text is not a JSON list of objects.
    #[error("is not a JSON list of trusted issuers: {0}")]
    Form(JsonError),
    /// The list is too long.
    #[error("has {0} trusted issuers, but at most {MAX_TRUSTED_ISSUERS} are allowed")]
    TooMany(usize),
    /// An entry is refused.
    #[error("trusted issuer {number}: {problem}")]
    Entry {
        /// The number of the entry.
        number: usize,
        /// The problem with the entry.
        problem: EntryError,
    },
    /// Two entries have names that are equal, or that differ only by slashes at the end or by case.
    #[error(
        "trusted issuers {first} and {second} have names that are equal, or differ only by a slash or by case: remove one"
    )]
    SameIssuer {
        /// The number of the first one.
        first: usize,
        /// The number of the second one.
        second: usize,
    },
    /// An entry has the name of the own issuer, or one that differs only by slashes at the end or by case.
    #[error(
        "trusted issuer {0} is this issuer itself, whose tokens are not accepted as assertions"
    )]
    OwnIssuer(usize),
}

/// The problem with an entry. Messages name members, and quote no value except an audience.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The entry has an unknown member.
    #[error("unknown member `{0}`")]
    UnknownMember(String),
    /// A member is missing.
    #[error("missing member `{0}`")]
    Missing(&'static str),
    /// A member has a value of the wrong type.
    #[error("`{member}` must be {expected}")]
    Type {
        /// The member.
        member: &'static str,
        /// The expected type.
        expected: &'static str,
    },
    /// A name is empty, too long, or has white space or invisible characters.
    #[error("`{0}` must have 1 to {MAX_NAME_CHARS} characters and {PLAIN_IDENTIFIER_RULE}")]
    Name(&'static str),
    /// A list is empty or too long.
    #[error("`{0}` must have 1 to {MAX_NAMES} values")]
    Count(&'static str),
    /// `algorithms` has a symmetric algorithm or `none`.
    #[error("`algorithms` must not have {0}: everyone who verifies such a token could create one")]
    Symmetric(&'static str),
    /// `algorithms` has an unknown name.
    #[error("`algorithms` {0}")]
    Algorithm(UnknownAlgorithm),
    /// `typ` has the type of tokens that do not prove an identity.
    #[error("`typ` must not have `{0}`: such tokens do not prove an identity")]
    TokenType(&'static str),
    /// The URL in a member cannot be used.
    #[error("`{member}` {problem}")]
    Url {
        /// The member.
        member: &'static str,
        /// The problem with the URL.
        problem: UrlError,
    },
    /// The keys must be discovered, but `issuer` is not a URL that allows it.
    #[error("without `jwks_uri` and `jwks`, the keys are discovered: `issuer` {0}")]
    Discovery(UrlError),
    /// The entry has `jwks_uri` and `jwks`.
    #[error("must have `jwks_uri` or `jwks`, not both")]
    TwoKeySources,
    /// `jwks` is not a JWK Set, or has a private key.
    #[error("`jwks`: {0}")]
    KeySet(KeyError),
    /// A key of `jwks` cannot be used.
    #[error("`jwks`: keys[{index}] cannot be used: {problem}")]
    UnusableKey {
        /// The position in `keys`, from 0.
        index: usize,
        /// Why it cannot be used.
        problem: KeyError,
    },
    /// `jwks` has no key or too many.
    #[error("`jwks` must have 1 to {MAX_KEYS} keys, not {0}")]
    KeyCount(usize),
    /// No key of `jwks` has one of the algorithms.
    #[error("`jwks` has no key for `algorithms`")]
    NoFittingKey,
    /// A number is not a whole one, too small or too large.
    #[error("`{member}` must be a whole number from {min} to {max}")]
    Number {
        /// The member.
        member: &'static str,
        /// The smallest number.
        min: u64,
        /// The largest number.
        max: u64,
    },
    /// Other services accept tokens for this audience too.
    #[error(
        "`audience` has {0:?}, which other services accept too: a token from one of them would be accepted here. Use an \
         audience of your own, or set `accept_shared_audience` to true"
    )]
    SharedAudience(String),
    /// `required_claims` has a value that cannot be compared.
    #[error(
        "`required_claims` must be an object of 1 to {MAX_REQUIRED_CLAIMS} claims, each with a string, a whole \
         number, true or false, or a list of 1 to {MAX_CLAIM_VALUES} of these"
    )]
    RequiredClaims,
    /// A client has a member that only issuers have.
    #[error(
        "`{0}` has no meaning for a client: its assertions are for this issuer, and `sub` is the client"
    )]
    ClientMember(&'static str),
    /// A client has neither `jwks` nor `jwks_uri`.
    #[error("a client must have `jwks` or `jwks_uri`: its keys are not discovered")]
    ClientKeys,
    /// An issuer has a member that only clients have.
    #[error("`{0}` has a meaning for clients only")]
    IssuerMember(&'static str),
}
