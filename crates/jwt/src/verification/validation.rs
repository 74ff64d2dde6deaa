use std::time::Duration;

/// Which tokens are accepted, apart from their signature.
///
/// ```
/// use std::time::Duration;
///
/// use countersign_jwt::Validation;
///
/// let access_tokens = Validation {
///     issuer: Some("https://issuer.example".into()),
///     audiences: Some(vec!["orders".into()]),
///     token_type: "at+jwt".into(),
///     leeway: Duration::from_secs(60),
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// The required value of `iss`, compared as exact text. `None` skips the check: use it to
    /// inspect tokens, never to authorize a request.
    pub issuer: Option<String>,
    /// The accepted values of `aud`, of which a token must have at least one. With an empty list,
    /// tokens that have `aud` are refused: they are meant for another recipient (RFC 7519 section
    /// 4.1.3). `None` skips the check, as for `issuer`.
    pub audiences: Option<Vec<String>>,
    /// The required value of `typ`, compared with
    /// [`is_same_token_type`](crate::is_same_token_type). A token without `typ` counts as `JWT`.
    pub token_type: String,
    /// The accepted difference between the clocks of issuer and recipient, in whole seconds, for
    /// `exp`, `nbf` and `iat`.
    pub leeway: Duration,
}
