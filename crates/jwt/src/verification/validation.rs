use std::time::Duration;

use crate::Algorithm;

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
    /// Whether `aud` must have exactly one value: a token for several recipients can be replayed by
    /// each of them.
    pub single_audience: bool,
    /// The accepted values of `typ`, compared with
    /// [`is_same_token_type`](crate::is_same_token_type). A token without `typ` counts as `JWT`.
    pub token_types: Vec<String>,
    /// The accepted values of `alg`. `None` leaves the decision to the key.
    pub algorithms: Option<Vec<Algorithm>>,
    /// The accepted difference between the clocks of issuer and recipient, in whole seconds, for
    /// `nbf` and `iat`.
    pub leeway: Duration,
    /// The same for `exp`.
    pub expiry_leeway: Duration,
    /// How long after its `iat` a token is accepted at most, in whole seconds. With it, `iat` is
    /// required.
    pub max_age: Option<Duration>,
    /// How far in the future `exp` may be at most, in whole seconds (RFC 7523 section 3, item 4).
    pub max_remaining: Option<Duration>,
}

impl Validation {
    /// The tokens of this issuer for these audiences, of the type `JWT` and without leeway. `None` skips a check: see
    /// the fields.
    #[must_use]
    pub fn new(issuer: Option<String>, audiences: Option<Vec<String>>) -> Self {
        Self {
            issuer,
            audiences,
            single_audience: false,
            token_types: vec!["JWT".to_owned()],
            algorithms: None,
            leeway: Duration::ZERO,
            expiry_leeway: Duration::ZERO,
            max_age: None,
            max_remaining: None,
        }
    }

    /// The same tokens of another type.
    #[must_use]
    pub fn with_token_type(self, token_type: impl Into<String>) -> Self {
        self.with_token_types(vec![token_type.into()])
    }

    /// The same tokens of these types.
    #[must_use]
    pub fn with_token_types(self, token_types: Vec<String>) -> Self {
        Self { token_types, ..self }
    }

    /// The same tokens, but only with these algorithms.
    #[must_use]
    pub fn with_algorithms(self, algorithms: Vec<Algorithm>) -> Self {
        Self { algorithms: Some(algorithms), ..self }
    }

    /// The same tokens, but only with one value of `aud`.
    #[must_use]
    pub fn with_single_audience(self) -> Self {
        Self { single_audience: true, ..self }
    }

    /// The same tokens with another leeway.
    #[must_use]
    pub fn with_leeway(self, leeway: Duration) -> Self {
        Self { leeway, expiry_leeway: leeway, ..self }
    }

    /// The same tokens with another leeway for `exp`.
    #[must_use]
    pub fn with_expiry_leeway(self, expiry_leeway: Duration) -> Self {
        Self { expiry_leeway, ..self }
    }

    /// The same tokens, but only for this time after `iat`, which they must have.
    #[must_use]
    pub fn with_max_age(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    /// The same tokens, but only those that expire within this time.
    #[must_use]
    pub fn with_max_remaining(self, max_remaining: Duration) -> Self {
        Self { max_remaining: Some(max_remaining), ..self }
    }
}
