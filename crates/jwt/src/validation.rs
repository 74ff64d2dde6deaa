use std::time::Duration;

/// Which tokens are ours to judge at all: everything about a good token that is known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// `iss` must be exactly this. Without one it is not looked at, which is for people who want
    /// to know about a token, and for nobody who lets somebody in.
    pub issuer: Option<String>,
    /// One of these must be in `aud`. When empty, a token that has an `aud` is for somebody else
    /// (RFC 7519 section 4.1.3). Without a list it is not looked at, as above.
    pub audiences: Option<Vec<String>>,
    /// `typ` must be this ([`is_same_token_type`](crate::is_same_token_type)); a token without one is read as
    /// a `JWT`.
    pub token_type: String,
    /// How far the issuer's clock may be from ours, applied to `exp`, `nbf` and `iat`.
    pub leeway: Duration,
}
