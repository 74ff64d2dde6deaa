use std::time::Duration;

use super::{
    claims::{Claims, audiences},
    header::Header,
    rejection::Rejection,
};
use crate::{Algorithm, UnixTime, is_same_token_type};

/// The requirements on a token, apart from its signature.
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
    /// The accepted difference between the clocks for `exp`, in whole seconds.
    pub expiry_leeway: Duration,
    /// The maximum age of a token since its `iat`, in whole seconds. With it, `iat` is required.
    pub max_age: Option<Duration>,
    /// The maximum time until `exp`, in whole seconds (RFC 7523 section 3, item 4).
    pub max_remaining: Option<Duration>,
}

impl Validation {
    /// Accepts the tokens of this issuer for these audiences, of the type `JWT` and without leeway. `None` skips a
    /// check: see the fields.
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

    /// Sets the accepted `typ`.
    #[must_use]
    pub fn with_token_type(self, token_type: impl Into<String>) -> Self {
        self.with_token_types(vec![token_type.into()])
    }

    /// Sets the accepted values of `typ`.
    #[must_use]
    pub fn with_token_types(self, token_types: Vec<String>) -> Self {
        Self { token_types, ..self }
    }

    /// Sets the accepted values of `alg`.
    #[must_use]
    pub fn with_algorithms(self, algorithms: Vec<Algorithm>) -> Self {
        Self { algorithms: Some(algorithms), ..self }
    }

    /// Requires that `aud` has exactly one value.
    #[must_use]
    pub fn with_single_audience(self) -> Self {
        Self { single_audience: true, ..self }
    }

    /// Sets the leeway for `exp`, `nbf` and `iat`, in whole seconds.
    #[must_use]
    pub fn with_leeway(self, leeway: Duration) -> Self {
        Self { leeway, expiry_leeway: leeway, ..self }
    }

    /// Sets the leeway for `exp` only, in whole seconds. Call it after [`with_leeway`](Self::with_leeway), which
    /// sets it too.
    #[must_use]
    pub fn with_expiry_leeway(self, expiry_leeway: Duration) -> Self {
        Self { expiry_leeway, ..self }
    }

    /// Sets the maximum age of a token since its `iat`, in whole seconds. `iat` is then required.
    #[must_use]
    pub fn with_max_age(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    /// Sets the maximum time until `exp`, in whole seconds.
    #[must_use]
    pub fn with_max_remaining(self, max_remaining: Duration) -> Self {
        Self { max_remaining: Some(max_remaining), ..self }
    }

    /// Checks the algorithm and the type.
    pub(super) fn check_header(&self, header: &Header) -> Result<(), Rejection> {
        let accepted = &self.algorithms;
        if accepted.as_ref().is_some_and(|accepted| !accepted.contains(&header.algorithm)) {
            return Err(Rejection::UnsupportedAlgorithm);
        }
        let token_type = header.token_type.as_deref().unwrap_or("JWT");
        let mut accepted = self.token_types.iter();
        let is_expected = accepted.any(|expected| is_same_token_type(token_type, expected));
        if is_expected { Ok(()) } else { Err(Rejection::Type) }
    }

    /// Checks times, issuer and audience.
    pub(super) fn check_claims(&self, claims: &Claims, now: UnixTime) -> Result<(), Rejection> {
        if now >= claims.exp.after(self.expiry_leeway) {
            return Err(Rejection::Expired { at: claims.exp });
        }
        let latest_start = now.after(self.leeway);
        if let Some(from) = claims.nbf.filter(|from| latest_start < *from) {
            return Err(Rejection::NotYetValid { from });
        }
        if let Some(at) = claims.iat.filter(|at| latest_start < *at) {
            return Err(Rejection::IssuedInFuture { at });
        }
        if let Some(max_age) = self.max_age {
            let at = claims.iat.ok_or(Rejection::NoIssueTime)?;
            if now >= at.after(max_age) {
                return Err(Rejection::TooOld { at });
            }
        }
        if self.max_remaining.is_some_and(|max| claims.exp > now.after(max)) {
            return Err(Rejection::ExpiresTooLate { at: claims.exp });
        }
        if self.issuer.is_some() && claims.text("iss") != self.issuer.as_deref() {
            return Err(Rejection::Issuer);
        }
        let Some(accepted) = &self.audiences else { return Ok(()) };
        match claims.get("aud").map(|aud| audiences(aud).unwrap_or_default()) {
            None if accepted.is_empty() => Ok(()),
            Some(audiences) if self.single_audience && audiences.len() != 1 => {
                Err(Rejection::Audience)
            }
            Some(audiences)
                if audiences.iter().any(|aud| accepted.iter().any(|name| name == aud)) =>
            {
                Ok(())
            }
            _ => Err(Rejection::Audience),
        }
    }
}

#[cfg(test)]
mod tests;
