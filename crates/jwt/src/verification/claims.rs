use std::fmt;

use serde_json::{Map, Value};

use super::{rejection::Rejection, signed_parts::SignedParts, verifier::Verifier};
use crate::{MAX_CONTEXT_CLAIMS_BYTES, UnixTime, context_claims_len, json};

/// A token that has passed every check except that of its signature. Its claims cannot be read.
pub struct Candidate<'a> {
    parts: SignedParts<'a>,
    claims: Claims,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(parts: SignedParts<'a>, claims: Claims) -> Self {
        Self { parts, claims }
    }

    /// Verifies the signature, and returns the claims if it is valid.
    ///
    /// # Errors
    /// The outer error is the verifier's: it could not find out. The inner error refuses the token.
    pub async fn confirm<V: Verifier>(
        self,
        verifier: &V,
    ) -> Result<Result<Claims, Rejection>, V::Error> {
        Ok(verifier.verify(&self.parts).await?.map(|()| self.claims))
    }
}

/// Shows no part of the token.
impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").finish_non_exhaustive()
    }
}

/// The claims of a verified token.
///
/// Only [`Candidate::confirm`](crate::Candidate::confirm) returns them.
#[derive(Clone, PartialEq)]
pub struct Claims {
    /// `exp`: the first second at which the token is not valid, without leeway.
    pub exp: UnixTime,
    pub(super) nbf: Option<UnixTime>,
    pub(super) iat: Option<UnixTime>,
    members: Map<String, Value>,
}

impl Claims {
    /// Returns the value of a claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// Returns the value of a claim if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Returns the names and values of all claims, in the order of a [`Map`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns all claims.
    #[must_use]
    pub fn into_members(self) -> Map<String, Value> {
        self.members
    }

    /// Reads the payload. Registered claims must have the types of RFC 7519 section 4.1, and `exp`
    /// is required.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Rejection> {
        let members = json::object(text).map_err(|_| Rejection::Claims)?;
        for name in ["iss", "sub", "jti"] {
            if members.get(name).is_some_and(|value| !value.is_string()) {
                return Err(Rejection::Claims);
            }
        }
        if members.get("aud").is_some_and(|aud| audiences(aud).is_none()) {
            return Err(Rejection::Claims);
        }
        if context_claims_len(&members) > MAX_CONTEXT_CLAIMS_BYTES {
            return Err(Rejection::ClaimsTooLong);
        }
        let (nbf, iat) = (time(&members, "nbf")?, time(&members, "iat")?);
        Ok(Self { exp: expiry(&members)?, nbf, iat, members })
    }
}

/// Shows no claim except `exp`.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("exp", &self.exp).finish_non_exhaustive()
    }
}

/// Reads `exp`, which every token must have.
///
/// # Errors
/// [`Rejection::NoExpiry`] if it is missing, and [`Rejection::Claims`] if it is not a time.
///
/// ```
/// use countersign_jwt::{Rejection, UnixTime, expiry, json};
///
/// let claims = json::object(br#"{"exp":1767229200}"#)?;
/// assert_eq!(expiry(&claims), Ok(UnixTime::from_seconds(1_767_229_200)));
/// assert_eq!(expiry(&json::object(b"{}")?), Err(Rejection::NoExpiry));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn expiry(claims: &Map<String, Value>) -> Result<UnixTime, Rejection> {
    time(claims, "exp")?.ok_or(Rejection::NoExpiry)
}

fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<UnixTime>, Rejection> {
    let value = claims.get(name);
    value.map(|value| UnixTime::from_json(value).ok_or(Rejection::Claims)).transpose()
}

/// RFC 7519 section 4.1.3: one string, or an array of them.
pub(super) fn audiences(aud: &Value) -> Option<Vec<&str>> {
    match aud {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) => several.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn context_claims_over_the_limit_are_refused() {
        let with = |name: &str, bytes: usize| {
            let text = json!({"iss": "us", "exp": 2_000_000, name: ""}).to_string();
            let rest = context_claims_len(&json::object(text.as_bytes()).unwrap());
            let value = "x".repeat(bytes.saturating_sub(rest));
            let text = json!({"iss": "us", "exp": 2_000_000, name: value}).to_string();
            Claims::read(text.as_bytes()).map(drop)
        };
        for name in ["sub", "scope", "jti"] {
            assert_eq!(with(name, MAX_CONTEXT_CLAIMS_BYTES), Ok(()), "{name}");
            let longer = with(name, MAX_CONTEXT_CLAIMS_BYTES + 1);
            assert_eq!(longer, Err(Rejection::ClaimsTooLong), "{name}");
        }
        assert_eq!(with("other", 5000), Ok(()));
    }

    #[test]
    fn debug_shows_no_claim() {
        let claims = Claims::read(br#"{"exp":1,"sub":"alice"}"#).unwrap();
        assert_eq!(format!("{claims:?}"), "Claims { exp: UnixTime(1), .. }");
    }
}
