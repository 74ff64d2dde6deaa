/// The names of the recipient of assertions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnIdentity {
    /// The issuer of the tokens that are given for assertions.
    pub issuer: String,
    /// The URL of the token endpoint.
    pub token_endpoint: String,
}
