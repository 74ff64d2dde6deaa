//! Responses that API Gateway itself sends.

use serde_json::json;

use super::sigv4::SignatureError;
use crate::iam::IamDecision;

/// A gateway response type ("Gateway response types" in the developer guide).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GatewayResponse {
    /// The request has no valid signature.
    Signature(SignatureError),
    /// There is no such route. API Gateway still reads the signature. Without a signature, the message does not
    /// mention the route.
    NoRoute(SignatureError),
    Unauthorized,
    AccessDenied(IamDecision),
    AuthorizerFailure,
    AuthorizerConfigurationError,
    IntegrationFailure,
}

impl GatewayResponse {
    /// The response type by which a template customizes it, and the default type of its class.
    pub(super) const fn names(&self) -> [&'static str; 2] {
        match self {
            Self::NoRoute(_) | Self::Signature(SignatureError::Missing) => {
                ["MISSING_AUTHENTICATION_TOKEN", "DEFAULT_4XX"]
            }
            Self::Signature(_) => ["INVALID_SIGNATURE", "DEFAULT_4XX"],
            Self::Unauthorized => ["UNAUTHORIZED", "DEFAULT_4XX"],
            Self::AccessDenied(_) => ["ACCESS_DENIED", "DEFAULT_4XX"],
            Self::AuthorizerFailure => ["AUTHORIZER_FAILURE", "DEFAULT_5XX"],
            Self::AuthorizerConfigurationError => ["AUTHORIZER_CONFIGURATION_ERROR", "DEFAULT_5XX"],
            Self::IntegrationFailure => ["INTEGRATION_FAILURE", "DEFAULT_5XX"],
        }
    }

    /// The status, unless the template sets another.
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::NoRoute(_) | Self::Signature(_) | Self::AccessDenied(_) => 403,
            Self::AuthorizerFailure | Self::AuthorizerConfigurationError => 500,
            Self::IntegrationFailure => 502,
        }
    }

    /// The header `x-amzn-ErrorType`.
    pub(super) const fn error_type(&self) -> &'static str {
        match self {
            Self::Signature(error) | Self::NoRoute(error) => match error {
                SignatureError::Missing => "MissingAuthenticationTokenException",
                SignatureError::Incomplete(_) => "IncompleteSignatureException",
                SignatureError::Invalid(_) => "InvalidSignatureException",
            },
            Self::Unauthorized => "UnauthorizedException",
            Self::AccessDenied(_) => "AccessDeniedException",
            Self::AuthorizerFailure | Self::AuthorizerConfigurationError => {
                "AuthorizerConfigurationException"
            }
            Self::IntegrationFailure => "InternalServerErrorException",
        }
    }

    /// The JSON body.
    pub(super) fn body(&self) -> String {
        let body = match self {
            Self::Signature(error) | Self::NoRoute(error) => match error {
                SignatureError::Missing => json!({"message": "Missing Authentication Token"}),
                SignatureError::Incomplete(message) | SignatureError::Invalid(message) => {
                    json!({"message": message})
                }
            },
            Self::Unauthorized => json!({"message": "Unauthorized"}),
            Self::AccessDenied(decision) => json!({"Message": denial(*decision)}),
            Self::AuthorizerFailure | Self::AuthorizerConfigurationError => {
                json!({"message": null})
            }
            Self::IntegrationFailure => json!({"message": "Internal server error"}),
        };
        body.to_string()
    }
}

/// The message of API Gateway for a request that a policy denies.
pub(super) const fn denial(decision: IamDecision) -> &'static str {
    match decision {
        IamDecision::DeniedExplicitly => {
            "User is not authorized to access this resource with an explicit deny"
        }
        IamDecision::DeniedImplicitly | IamDecision::Allowed => {
            "User is not authorized to access this resource"
        }
    }
}
