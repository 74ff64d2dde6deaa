use jwt::PLAIN_IDENTIFIER_RULE;
use oidc::AssertionError;
use policy::issuance::DeniedField;

use super::AuthenticationScheme;
use crate::LifetimeError;

/// Why a client gets no token (RFC 6749 section 5.2). The texts quote nothing of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The body is not a form.
    #[error("the content type must be application/x-www-form-urlencoded, in UTF-8")]
    MediaType,
    /// The URL has a query.
    #[error("parameters must be in the body, not in the URL")]
    Query,
    /// The body is not percent-encoded UTF-8.
    #[error("the form is not percent-encoded UTF-8")]
    Encoding,
    /// A parameter occurs more than once (RFC 6749 section 3.2).
    #[error("the parameter {0} must not be repeated")]
    Repeated(&'static str),
    /// A parameter that the issuer does not know occurs more than once.
    #[error("a parameter must not be repeated")]
    RepeatedUnknown,
    /// A required parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// Another grant.
    #[error("the grant_type is not supported here, use {0}")]
    GrantType(&'static str),
    /// `scope` is not a list of scopes (RFC 6749 section 3.3).
    #[error("scope must be scopes separated by single spaces")]
    Scope,
    /// `resource` is not an absolute URI (RFC 8707 section 2).
    #[error("resource must be an absolute URI without a fragment")]
    Resource,
    /// `resource` occurs too often.
    #[error("resource must occur at most {0} times")]
    TooManyResources(usize),
    /// `audience` has characters that make two values look alike.
    #[error("audience {PLAIN_IDENTIFIER_RULE}")]
    Audience,
    /// `expires_in` is refused.
    #[error(transparent)]
    Lifetime(#[from] LifetimeError),
    /// The request authenticates the client in several ways (RFC 6749 section 2.3).
    #[error("a request must not have two ways of client authentication")]
    SeveralAuthentications,
    /// The client authenticates itself with a secret, or in another way that the issuer does not support.
    #[error("this client authentication is not supported, use private_key_jwt")]
    UnsupportedAuthentication,
    /// The client authenticates itself with the header `Authorization`.
    #[error(
        "client authentication with the header Authorization is not supported, use private_key_jwt"
    )]
    AuthorizationHeader(AuthenticationScheme),
    /// The grant requires an authenticated client.
    #[error("the grant requires client authentication with private_key_jwt")]
    NoAuthentication,
    /// `client_id` is not the client of the assertion (RFC 7521 section 4.2).
    #[error("client_id is not the client of client_assertion")]
    ClientId,
    /// The assertion of a `jwt-bearer` grant is refused.
    #[error("{0}")]
    Assertion(AssertionError),
    /// The assertion of a client is refused.
    #[error("{0}")]
    ClientAssertion(AssertionError),
    /// No rule of the issuance policy grants this part of the request.
    #[error("the issuance policy does not grant {0}")]
    Denied(DeniedField),
    /// The request names no scope, and the rule has no default one.
    #[error("the request must name a scope: the issuance policy has no default one")]
    NoScope,
    /// The request names no audience, and there is no default one.
    #[error("the request must name a resource or an audience: there is no default one")]
    NoAudience,
    /// The authorization endpoint has no response type.
    #[error("no response type is supported: this issuer has a token endpoint only")]
    ResponseType,
}

impl OAuthError {
    /// The error code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::GrantType(_) => "unsupported_grant_type",
            Self::Scope | Self::NoScope | Self::Denied(DeniedField::Scope) => "invalid_scope",
            Self::Resource
            | Self::TooManyResources(_)
            | Self::Audience
            | Self::NoAudience
            | Self::Denied(DeniedField::Audience) => "invalid_target",
            Self::UnsupportedAuthentication
            | Self::AuthorizationHeader(_)
            | Self::NoAuthentication
            | Self::ClientId
            | Self::ClientAssertion(_) => "invalid_client",
            Self::Assertion(_) => "invalid_grant",
            Self::Denied(_) => "unauthorized_client",
            Self::ResponseType => "unsupported_response_type",
            Self::MediaType
            | Self::Query
            | Self::Encoding
            | Self::Repeated(_)
            | Self::RepeatedUnknown
            | Self::Missing(_)
            | Self::Lifetime(_)
            | Self::SeveralAuthentications => "invalid_request",
        }
    }

    /// Whether an expression of the issuance policy was too expensive.
    pub(crate) const fn is_over_budget(&self) -> bool {
        matches!(self, Self::Denied(DeniedField::OverBudget { .. }))
    }

    /// Why an assertion is refused, for the log line.
    pub(crate) fn assertion_error(&self) -> Option<&AssertionError> {
        match self {
            Self::Assertion(error) | Self::ClientAssertion(error) => Some(error),
            _ => None,
        }
    }
}
