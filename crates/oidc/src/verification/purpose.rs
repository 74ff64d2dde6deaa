/// The purpose of an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The authorization of a grant of the type `jwt-bearer` (RFC 7523 section 2.1), by a trusted issuer.
    Grant,
    /// The identity of a client, by its own key (RFC 7523 section 2.2).
    ClientAuthentication,
}
