use std::time::Duration;

/// Which tokens are accepted, apart from their signature.
///
/// ```
/// use std::time::Duration;
///
/// use countersign_jwt::Validation;
///
/// let issuer = "https://issuer.example".to_owned();
/// let access_tokens = Validation::new(Some(issuer), Some(vec!["orders".to_owned()]))
///     .with_token_type("at+jwt")
///     .with_leeway(Duration::from_secs(60));
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

impl Validation {
    /// The tokens of this issuer for these audiences, of the type `JWT` and without leeway. `None` skips a check: see
    /// the fields.
    #[must_use]
    pub fn new(issuer: Option<String>, audiences: Option<Vec<String>>) -> Self {
        Self { issuer, audiences, token_type: "JWT".to_owned(), leeway: Duration::ZERO }
    }

    /// The same tokens of another type.
    #[must_use]
    pub fn with_token_type(self, token_type: impl Into<String>) -> Self {
        Self { token_type: token_type.into(), ..self }
    }

    /// The same tokens with another leeway.
    #[must_use]
    pub fn with_leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }
}
