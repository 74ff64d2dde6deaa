use serde_json::json;

use crate::iam::IamDecision;

/// An answer of API Gateway's own: one of its gateway responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody with a right to the route: no such route, too.
    MissingAuthenticationToken,
    Unauthorized,
    AccessDenied(IamDecision),
    AuthorizerFailure,
    AuthorizerConfigurationError,
    IntegrationFailure,
}

impl Refusal {
    /// The name under which a template shapes it, and the one for all of its class.
    pub(super) const fn names(self) -> [&'static str; 2] {
        match self {
            Self::MissingAuthenticationToken => ["MISSING_AUTHENTICATION_TOKEN", "DEFAULT_4XX"],
            Self::Unauthorized => ["UNAUTHORIZED", "DEFAULT_4XX"],
            Self::AccessDenied(_) => ["ACCESS_DENIED", "DEFAULT_4XX"],
            Self::AuthorizerFailure => ["AUTHORIZER_FAILURE", "DEFAULT_5XX"],
            Self::AuthorizerConfigurationError => ["AUTHORIZER_CONFIGURATION_ERROR", "DEFAULT_5XX"],
            Self::IntegrationFailure => ["INTEGRATION_FAILURE", "DEFAULT_5XX"],
        }
    }

    /// The status, where the template gives no other.
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::MissingAuthenticationToken | Self::AccessDenied(_) => 403,
            Self::AuthorizerFailure | Self::AuthorizerConfigurationError => 500,
            Self::IntegrationFailure => 502,
        }
    }

    pub(super) fn body(self) -> String {
        let body = match self {
            Self::MissingAuthenticationToken => json!({"message": "Missing Authentication Token"}),
            Self::Unauthorized => json!({"message": "Unauthorized"}),
            Self::AccessDenied(verdict) => json!({"Message": denial(verdict)}),
            Self::AuthorizerFailure | Self::AuthorizerConfigurationError => {
                json!({"message": null})
            }
            Self::IntegrationFailure => json!({"message": "Internal server error"}),
        };
        body.to_string()
    }
}

/// API Gateway's own words for a policy that does not let a request through.
pub(super) const fn denial(verdict: IamDecision) -> &'static str {
    match verdict {
        IamDecision::DeniedExplicitly => {
            "User is not authorized to access this resource with an explicit deny"
        }
        IamDecision::DeniedImplicitly | IamDecision::Allowed => {
            "User is not authorized to access this resource"
        }
    }
}
