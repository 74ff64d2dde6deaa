/// The grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantType {
    /// A token of a trusted issuer becomes a token of ours (RFC 7523 section 2.1).
    JwtBearer,
    /// The client acts on its own behalf (RFC 6749 section 4.4).
    ClientCredentials,
}

impl GrantType {
    /// The value of `grant_type`.
    #[must_use]
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::JwtBearer => JWT_BEARER,
            Self::ClientCredentials => CLIENT_CREDENTIALS,
        }
    }

    /// The name in log lines and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JwtBearer => "jwt-bearer",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// `grant_type` of RFC 7523 section 2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// `grant_type` of RFC 6749 section 4.4.
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";
