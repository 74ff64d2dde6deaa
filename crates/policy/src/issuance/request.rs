use std::time::Duration;

use serde_json::{Map, Value};

/// A request for a token.
#[derive(Debug, Clone, Copy)]
pub struct IssuanceRequest<'a> {
    /// The requested claims.
    pub claims: &'a Map<String, Value>,
    /// The requested lifetime, if the request has one.
    pub lifetime: Option<Duration>,
    /// Whether `client_id` is the name of a client that has proved its identity in other tokens of the issuer. Then only a
    /// rule that names this claim in full grants it.
    pub has_clients: bool,
}

/// The defaults for a request or a rule without an audience or a lifetime.
#[derive(Debug, Clone, Copy)]
pub struct IssuanceDefaults<'a> {
    /// The `aud` of a request without one. Every caller may request it.
    pub audience: Option<&'a str>,
    /// The lifetime of a request without one.
    pub lifetime: Duration,
    /// The longest lifetime under a rule without `max_lifetime`.
    pub lifetime_max: Duration,
}
