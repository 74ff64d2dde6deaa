use super::path::AMBIGUITIES;

/// Why a valid token does not open a route. It is for the log: the client gets a bare 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForbidReason {
    /// The token does not meet the condition of the most specific rule for the route, or no rule matches the
    /// route.
    #[error("no rule opens the route to this token")]
    ClosedRoute,
    /// The path has a dot segment, a backslash or a control character, encoded or not. The backend may
    /// rewrite it to any other path.
    #[error("the path has {AMBIGUITIES}")]
    AmbiguousPath,
    /// A rule closes a normalized form of the path: decoded, without path parameters, without empty segments,
    /// or in lower case.
    #[error("a backend may read this path as another one, which a rule closes")]
    ClosedSpelling,
    /// API Gateway could cache a positive simple response and use it for a route that the rules close.
    #[error(
        "a simple response could be cached for routes that the rules close: add $context.routeKey to the \
         authorizer's identity sources, or write rules for the routes of the API"
    )]
    CachedResponse,
}

impl ForbidReason {
    /// A stable name for logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ClosedRoute => "ClosedRoute",
            Self::AmbiguousPath => "AmbiguousPath",
            Self::ClosedSpelling => "ClosedSpelling",
            Self::CachedResponse => "CachedResponse",
        }
    }

    /// Whether the path of the request is the reason, although the rules may open a resource that matches it. A policy
    /// must then deny this path.
    #[must_use]
    pub const fn is_about_the_path(self) -> bool {
        match self {
            Self::AmbiguousPath | Self::ClosedSpelling => true,
            Self::ClosedRoute | Self::CachedResponse => false,
        }
    }
}
