/// Why a good token does not open a route. The log learns it, the client does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForbidReason {
    /// The most specific rule for the route asks for what the token does not have, or no rule names the
    /// route.
    #[error("no rule opens the route to this token")]
    ClosedRoute,
    /// A dot segment, a backslash or a control character, encoded or not: where the request ends up is the
    /// backend's decision.
    #[error("the path has a dot segment, a backslash or a control character")]
    AmbiguousPath,
    /// Decoded, without path parameters and empty segments, and without regard to case, the path is one that
    /// a rule closes.
    #[error("the path is another spelling of one that a rule closes")]
    ClosedSpelling,
    /// A yes of a simple response may be cached and used for a route that the rules close.
    #[error(
        "a simple response could be cached for routes that the rules close; add $context.routeKey to the \
         authorizer's identity sources, or name routes as the API has them"
    )]
    CachedResponse,
}

impl ForbidReason {
    /// A name that stays, for logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ClosedRoute => "ClosedRoute",
            Self::AmbiguousPath => "AmbiguousPath",
            Self::ClosedSpelling => "ClosedSpelling",
            Self::CachedResponse => "CachedResponse",
        }
    }
}
