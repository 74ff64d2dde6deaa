use jwt::{MAX_CONTEXT_CLAIMS_BYTES, json::JsonError};

use policy::issuance::DeniedField;

use crate::MAX_REQUEST_BYTES;

/// Why a request gets no token: the caller's to mend, and told to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuanceError {
    /// There is no such route.
    #[error("no such resource")]
    NotFound,
    /// The event is not one of API Gateway's, though it has a `requestContext`.
    #[error("the event cannot be read")]
    Event,
    /// The route does not take this method.
    #[error("only {allow} is accepted here")]
    Method {
        /// The one that it takes.
        allow: &'static str,
    },
    /// API Gateway does not say who asks: nobody whom IAM let in.
    #[error("the caller is not known: guard this route with AWS_IAM")]
    Anonymous,
    /// The issuance policy does not grant this part of it.
    #[error("the policy does not grant {0}")]
    Policy(DeniedField),
    /// The body is something else than JSON.
    #[error("the content type must be application/json")]
    MediaType,
    /// The body is not base64 where API Gateway says that it is, or not text.
    #[error("the request has no readable body")]
    Body,
    /// The request is longer than any that can be granted. It is not read.
    #[error("the request has more than {MAX_REQUEST_BYTES} bytes")]
    RequestTooLarge,
    /// The request is not one strict JSON object.
    #[error("the request is {0}")]
    NotJson(JsonError),
    /// There is a member that means nothing here: most likely a misspelt one.
    #[error("the request may have the members claims and expires_in, and no other")]
    Member,
    /// `claims` is missing or not an object.
    #[error("claims must be an object")]
    Claims,
    /// A claim that only the issuer sets.
    #[error("{0} is set by the issuer and cannot be asked for")]
    Reserved(&'static str),
    /// A number would be signed as another one: a token's JSON has 64 bits or 17 digits for it.
    #[error(
        "a number in the claim {claim} cannot be signed exactly: send integers of more than 64 bits and \
         decimals of more than 17 digits as strings"
    )]
    InexactNumber {
        /// The start of the claim's name, with escapes for characters that do not print.
        claim: String,
    },
    /// `sub` is not a string, or says nothing.
    #[error("sub must be a string, and not an empty one")]
    Subject,
    /// `aud` is neither a string nor an array of strings with at least one in it.
    #[error("aud must be a string or an array of strings")]
    Audience,
    /// `sub` or `aud` has characters that make two values look alike ([`jwt::is_plain_identifier`]).
    #[error(
        "{0} must have no white space, no control characters and no bidirectional formatting characters"
    )]
    NotPlain(&'static str),
    /// `expires_in` is not a whole number of seconds from 1 on.
    #[error("expires_in must be a whole number of seconds, at least 1")]
    ExpiresIn,
    /// A longer life than the settings allow. It is not cut short: the caller would not know.
    #[error("expires_in must be at most {max}")]
    Lifetime {
        /// In seconds.
        max: u64,
    },
    /// RFC 9068 has a string there.
    #[error("client_id must be a string that is not empty")]
    ClientId,
    /// `scope` is not one string of scopes with a space between each two.
    #[error("scope must be scopes with one space between them")]
    Scope,
    /// An access token (RFC 9068) has a subject.
    #[error("an access token needs a sub")]
    NoSubject,
    /// An access token (RFC 9068) has an audience.
    #[error("an access token needs an aud")]
    NoAudience,
    /// An authorizer could not pass the claims on that say who and what for.
    #[error("sub, scope, aud and iss take more than {MAX_CONTEXT_CLAIMS_BYTES} bytes together")]
    TooLongToPassOn,
    /// The key's algorithm is one of those that sign no long messages (Ed25519).
    #[error("the claims are too long for the key, which signs up to 4096 bytes of a token")]
    TooLongForKey,
    /// The token would be longer than the headers of a request allow.
    #[error(
        "the token would have {bytes} bytes, and no more than {max} fit into the headers of a request: \
         shorten the claims by {} bytes",
        (bytes.saturating_sub(*max) * 3).div_ceil(4)
    )]
    TooLongForHeader {
        /// Of the token.
        bytes: usize,
        /// That fit.
        max: usize,
    },
    /// The token would be longer than an authorizer takes.
    #[error("the claims take more than {max} bytes")]
    TooLarge {
        /// Of JSON.
        max: usize,
    },
}

impl IssuanceError {
    /// The error code (RFC 6749 section 5.2, RFC 8707 section 2).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Anonymous | Self::Policy(DeniedField::Caller) => "unauthorized_client",
            Self::Scope | Self::Policy(DeniedField::Scope) => "invalid_scope",
            Self::Policy(DeniedField::Audience) => "invalid_target",
            Self::Policy(_) => "access_denied",
            _ => "invalid_request",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Method { .. } => 405,
            Self::Anonymous | Self::Policy(_) => 403,
            Self::RequestTooLarge
            | Self::TooLarge { .. }
            | Self::TooLongToPassOn
            | Self::TooLongForKey
            | Self::TooLongForHeader { .. } => 413,
            Self::MediaType => 415,
            _ => 400,
        }
    }
}
