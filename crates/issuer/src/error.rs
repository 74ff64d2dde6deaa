use jwt::{CONTEXT_CLAIMS, MAX_CONTEXT_CLAIMS_BYTES, PLAIN_IDENTIFIER_RULE, json::JsonError};
use policy::issuance::DeniedField;

use crate::{LifetimeError, OAuthError, limits::MAX_REQUEST_BYTES};

/// Why a request gets no token. The caller sees the message and can correct the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuanceError {
    /// The API has no such route, or the document does not exist.
    #[error("no such resource")]
    NotFound,
    /// The event has a `requestContext`, but is not a proxy event of API Gateway.
    #[error("the event is not a valid proxy event of API Gateway")]
    MalformedEvent,
    /// The route does not accept this method.
    #[error("method not allowed: use {allow}")]
    MethodNotAllowed {
        /// The method that the route accepts.
        allow: &'static str,
    },
    /// The event names no IAM identity: the route has no IAM authorization.
    #[error("the caller has no IAM identity: set the authorization of this route to AWS_IAM")]
    UnknownCaller,
    /// No rule of the issuance policy grants this part of the request.
    #[error("the issuance policy does not grant {0}")]
    Denied(DeniedField),
    /// A `Content-Type` header names another type than JSON or a form.
    #[error("the content type must be application/json or application/x-www-form-urlencoded")]
    UnsupportedMediaType,
    /// There is no body, or it is not base64 although the event says that it is.
    #[error("the request body is missing or is not valid base64")]
    UnreadableBody,
    /// The request is longer than [`MAX_REQUEST_BYTES`]. It is not parsed.
    #[error("the request exceeds {MAX_REQUEST_BYTES} bytes")]
    RequestTooLarge,
    /// The request is not one strict JSON object.
    #[error("the request is {0}")]
    NotJson(JsonError),
    /// The request has a member that the issuer does not know, such as a misspelled one.
    #[error("unknown member in the request: only {} are allowed", enumeration(known))]
    UnknownMember {
        /// The members of a request.
        known: &'static [&'static str],
    },
    /// `claims` is missing or not an object.
    #[error("claims must be a JSON object")]
    ClaimsNotObject,
    /// A claim that only the issuer sets.
    #[error("the claim {0} is set by the issuer: remove it from the request")]
    ReservedClaim(&'static str),
    /// A number that the token would change: its JSON represents numbers with 64 bits or 17 digits.
    #[error(
        "a number in the claim {claim} cannot be signed exactly: send integers of more than 64 bits and \
         decimals of more than 17 digits as strings"
    )]
    InexactNumber {
        /// The start of the claim's name, with escapes for characters that do not print.
        claim: String,
    },
    /// `sub` is not a string, or is empty.
    #[error("sub must be a non-empty string")]
    InvalidSubject,
    /// `aud` is neither a string nor a non-empty array of strings.
    #[error("aud must be a string or a non-empty array of strings")]
    InvalidAudience,
    /// `sub` or `aud` has characters that make two values look alike ([`jwt::is_plain_identifier`]).
    #[error("{0} {PLAIN_IDENTIFIER_RULE}")]
    ConfusableCharacters(&'static str),
    /// The lifetime is refused.
    #[error(transparent)]
    Lifetime(#[from] LifetimeError),
    /// `client_id` of an access token (RFC 9068 section 2.2) is not a string, or is empty.
    #[error("client_id must be a non-empty string")]
    InvalidClientId,
    /// `scope` is not a string of scopes separated by single spaces (RFC 6749 section 3.3).
    #[error("scope must be a string of scopes separated by single spaces")]
    InvalidScope,
    /// An access token requires `sub` (RFC 9068 section 2.2).
    #[error("an access token requires sub: add it to claims")]
    MissingSubject,
    /// An access token requires `aud` (RFC 9068 section 2.2).
    #[error("an access token requires aud: add it to claims")]
    MissingAudience,
    /// The claims that an authorizer always passes on to the backend are too long.
    #[error(
        "{} together exceed {MAX_CONTEXT_CLAIMS_BYTES} bytes of JSON: shorten them",
        enumeration(&CONTEXT_CLAIMS)
    )]
    ContextClaimsTooLong,
    /// The key's algorithm signs only short messages (Ed25519).
    #[error(
        "with this key (Ed25519), the signed part of a token has at most 4096 bytes: shorten the claims"
    )]
    TooLongForKey,
    /// The token would be longer than the headers of a request allow.
    #[error(
        "the token would have {bytes} bytes, but at most {max} fit into the headers of a request: \
         shorten the claims by {} bytes",
        (bytes.saturating_sub(*max) * 3).div_ceil(4)
    )]
    TokenTooLong {
        /// The length that the token would have, in bytes.
        bytes: usize,
        /// The length of the longest token that fits, in bytes.
        max: usize,
    },
    /// The token would be longer than an authorizer accepts.
    #[error("the claims exceed {max} bytes of JSON: shorten them")]
    ClaimsTooLong {
        /// The length of the longest claims that fit, in bytes of JSON.
        max: usize,
    },
    /// A request of an OAuth client is refused.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
}

impl IssuanceError {
    /// The OAuth error code (RFC 6749 section 5.2, RFC 8707 section 2).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownCaller | Self::Denied(DeniedField::Caller) => "unauthorized_client",
            Self::InvalidScope | Self::Denied(DeniedField::Scope) => "invalid_scope",
            Self::Denied(DeniedField::Audience) => "invalid_target",
            Self::Denied(_) => "access_denied",
            Self::OAuth(error) => error.code(),
            _ => "invalid_request",
        }
    }

    /// The HTTP status for a client of OAuth (RFC 6749 section 5.2).
    #[must_use]
    pub const fn oauth_status(&self) -> u16 {
        match self {
            Self::NotFound | Self::MethodNotAllowed { .. } => self.status(),
            Self::OAuth(OAuthError::AuthorizationHeader(_)) => 401,
            _ => 400,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::UnknownCaller | Self::Denied(_) => 403,
            Self::RequestTooLarge
            | Self::ClaimsTooLong { .. }
            | Self::ContextClaimsTooLong
            | Self::TooLongForKey
            | Self::TokenTooLong { .. } => 413,
            Self::UnsupportedMediaType => 415,
            _ => 400,
        }
    }
}

/// Names as text: `a, b and c`.
fn enumeration(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_context_claims_are_named() {
        assert_eq!(
            IssuanceError::ContextClaimsTooLong.to_string(),
            "sub, scope, iss, aud, jti and exp together exceed 3072 bytes of JSON: shorten them"
        );
        let rows = [(&[][..], ""), (&["a"], "a"), (&["a", "b"], "a and b")];
        for (names, expected) in rows {
            assert_eq!(enumeration(names), expected);
        }
    }
}
