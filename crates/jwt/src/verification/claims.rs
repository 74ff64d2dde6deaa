use std::fmt;

use serde_json::{Map, Value};

use super::{
    rejection::Rejection, signed_parts::SignedParts, validation::Validation, verifier::Verifier,
};
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
    nbf: Option<UnixTime>,
    iat: Option<UnixTime>,
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

    /// Checks times, issuer and audience.
    pub(crate) fn check(&self, validation: &Validation, now: UnixTime) -> Result<(), Rejection> {
        if now >= self.exp.after(validation.expiry_leeway) {
            return Err(Rejection::Expired { at: self.exp });
        }
        let latest_start = now.after(validation.leeway);
        if let Some(from) = self.nbf.filter(|from| latest_start < *from) {
            return Err(Rejection::NotYetValid { from });
        }
        if let Some(at) = self.iat.filter(|at| latest_start < *at) {
            return Err(Rejection::IssuedInFuture { at });
        }
        if let Some(max_age) = validation.max_age {
            let at = self.iat.ok_or(Rejection::NoIssueTime)?;
            if now >= at.after(max_age) {
                return Err(Rejection::TooOld { at });
            }
        }
        if validation.max_remaining.is_some_and(|max| self.exp > now.after(max)) {
            return Err(Rejection::ExpiresTooLate { at: self.exp });
        }
        if validation.issuer.is_some() && self.text("iss") != validation.issuer.as_deref() {
            return Err(Rejection::Issuer);
        }
        let Some(accepted) = &validation.audiences else { return Ok(()) };
        match self.get("aud").map(|aud| audiences(aud).unwrap_or_default()) {
            None if accepted.is_empty() => Ok(()),
            Some(audiences) if validation.single_audience && audiences.len() != 1 => {
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
fn audiences(aud: &Value) -> Option<Vec<&str>> {
    match aud {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) => several.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_000_000);

    fn validation(audiences: &[&str], leeway: u64) -> Validation {
        Validation::new(
            Some("us".into()),
            Some(audiences.iter().map(|&audience| audience.into()).collect()),
        )
        .with_leeway(Duration::from_secs(leeway))
    }

    fn read_and_check(text: &str, validation: &Validation) -> Result<(), Rejection> {
        Claims::read(text.as_bytes())?.check(validation, NOW)
    }

    #[test]
    fn token_outside_of_its_times_is_refused() {
        let at = UnixTime::from_seconds;
        let rows = [
            ("exp is the next second", r#""exp":1000001"#, 0, Ok(())),
            ("exp is a fraction of a second ahead", r#""exp":1000000.1"#, 0, Ok(())),
            ("exp is now", r#""exp":1000000"#, 0, Err(Rejection::Expired { at: at(1_000_000) })),
            ("exp within the leeway", r#""exp":999941"#, 60, Ok(())),
            (
                "exp at the end of the leeway",
                r#""exp":999940"#,
                60,
                Err(Rejection::Expired { at: at(999_940) }),
            ),
            ("exp is missing", r#""iat":1000000"#, 0, Err(Rejection::NoExpiry)),
            ("exp is null", r#""exp":null"#, 0, Err(Rejection::Claims)),
            ("exp is a string", r#""exp":"1000001""#, 0, Err(Rejection::Claims)),
            ("exp is negative", r#""exp":-1"#, 0, Err(Rejection::Claims)),
            ("exp is out of range", r#""exp":1e400"#, 0, Err(Rejection::Claims)),
            ("nbf is now", r#""exp":2000000,"nbf":1000000"#, 0, Ok(())),
            (
                "nbf is the next second",
                r#""exp":2000000,"nbf":1000001"#,
                0,
                Err(Rejection::NotYetValid { from: at(1_000_001) }),
            ),
            (
                "nbf is a fraction of a second ahead",
                r#""exp":2000000,"nbf":1000000.5"#,
                0,
                Err(Rejection::NotYetValid { from: at(1_000_001) }),
            ),
            ("nbf within the leeway", r#""exp":2000000,"nbf":1000060"#, 60, Ok(())),
            ("nbf is a string", r#""exp":2000000,"nbf":"0""#, 0, Err(Rejection::Claims)),
            ("iat is now", r#""exp":2000000,"iat":1000000"#, 0, Ok(())),
            (
                "iat is the next second",
                r#""exp":2000000,"iat":1000001"#,
                0,
                Err(Rejection::IssuedInFuture { at: at(1_000_001) }),
            ),
            ("iat within the leeway", r#""exp":2000000,"iat":1000060"#, 60, Ok(())),
            ("iat is an object", r#""exp":2000000,"iat":{}"#, 0, Err(Rejection::Claims)),
        ];
        for (name, times, leeway, expected) in rows {
            let text = format!(r#"{{"iss":"us",{times}}}"#);
            assert_eq!(read_and_check(&text, &validation(&[], leeway)), expected, "{name}");
        }
    }

    #[test]
    fn leeway_of_exp_is_separate() {
        let validation = validation(&[], 60).with_expiry_leeway(Duration::ZERO);
        let expired = Rejection::Expired { at: NOW };
        let rows = [
            ("exp is now", r#""exp":1000000"#, Err(expired)),
            ("exp is the next second", r#""exp":1000001"#, Ok(())),
            (
                "nbf and iat within the leeway",
                r#""exp":2000000,"nbf":1000060,"iat":1000060"#,
                Ok(()),
            ),
        ];
        for (name, times, expected) in rows {
            let text = format!(r#"{{"iss":"us",{times}}}"#);
            assert_eq!(read_and_check(&text, &validation), expected, "{name}");
        }
    }

    #[test]
    fn token_over_the_maximum_age_is_refused() {
        let validation = validation(&[], 60).with_max_age(Duration::from_mins(5));
        let too_old = |at| Err(Rejection::TooOld { at: UnixTime::from_seconds(at) });
        let rows = [
            ("iat is now", r#""iat":1000000"#, Ok(())),
            ("iat is a fraction within the age", r#""iat":999700.5"#, Ok(())),
            ("iat at the end of the age", r#""iat":999700"#, too_old(999_700)),
            ("iat is zero", r#""iat":0"#, too_old(0)),
            ("iat is missing", r#""nbf":1000000"#, Err(Rejection::NoIssueTime)),
            ("iat is null", r#""iat":null"#, Err(Rejection::Claims)),
        ];
        for (name, times, expected) in rows {
            let text = format!(r#"{{"iss":"us","exp":2000000,{times}}}"#);
            assert_eq!(read_and_check(&text, &validation), expected, "{name}");
        }
    }

    #[test]
    fn token_that_expires_too_late_is_refused() {
        let validation = validation(&[], 60).with_max_remaining(Duration::from_hours(1));
        let too_late = |at| Err(Rejection::ExpiresTooLate { at: UnixTime::from_seconds(at) });
        let rows = [
            ("in an hour", r#""exp":1003600"#, Ok(())),
            ("a second later", r#""exp":1003601"#, too_late(1_003_601)),
            ("in the year 9999", r#""exp":253402300799"#, too_late(253_402_300_799)),
        ];
        for (name, times, expected) in rows {
            let text = format!(r#"{{"iss":"us",{times}}}"#);
            assert_eq!(read_and_check(&text, &validation), expected, "{name}");
        }
    }

    #[test]
    fn several_audiences_are_refused_if_one_is_required() {
        let validation = validation(&["a", "b"], 0).with_single_audience();
        let refused = Err(Rejection::Audience);
        let rows = [
            (r#""a""#, Ok(())),
            (r#"["b"]"#, Ok(())),
            (r#"["a","b"]"#, refused),
            (r#"["a","a"]"#, refused),
            (r#"["a","x"]"#, refused),
            ("[]", refused),
            (r#""x""#, refused),
        ];
        for (aud, expected) in rows {
            let text = format!(r#"{{"iss":"us","exp":2000000,"aud":{aud}}}"#);
            assert_eq!(read_and_check(&text, &validation), expected, "{aud}");
        }
    }

    #[test]
    fn token_of_another_issuer_or_audience_is_refused() {
        let rows: [(&str, &str, &[&str], _); 15] = [
            ("expected issuer", r#""iss":"us""#, &[], Ok(())),
            ("other issuer", r#""iss":"them""#, &[], Err(Rejection::Issuer)),
            ("issuer with a space at its end", r#""iss":"us ""#, &[], Err(Rejection::Issuer)),
            ("iss is missing", r#""sub":"us""#, &[], Err(Rejection::Issuer)),
            ("iss is an array", r#""iss":["us"]"#, &[], Err(Rejection::Claims)),
            ("sub is a number", r#""iss":"us","sub":1"#, &[], Err(Rejection::Claims)),
            ("jti is a number", r#""iss":"us","jti":1"#, &[], Err(Rejection::Claims)),
            ("expected audience", r#""iss":"us","aud":"a""#, &["a", "b"], Ok(())),
            (
                "one of two audiences is expected",
                r#""iss":"us","aud":["x","b"]"#,
                &["a", "b"],
                Ok(()),
            ),
            (
                "unexpected audience",
                r#""iss":"us","aud":["x"]"#,
                &["a", "b"],
                Err(Rejection::Audience),
            ),
            ("aud is an empty array", r#""iss":"us","aud":[]"#, &["a"], Err(Rejection::Audience)),
            ("aud is missing", r#""iss":"us""#, &["a"], Err(Rejection::Audience)),
            (
                "aud without accepted audiences",
                r#""iss":"us","aud":"a""#,
                &[],
                Err(Rejection::Audience),
            ),
            ("aud is null", r#""iss":"us","aud":null"#, &[], Err(Rejection::Claims)),
            ("number in aud", r#""iss":"us","aud":["a",1]"#, &["a"], Err(Rejection::Claims)),
        ];
        for (name, members, audiences, expected) in rows {
            let text = format!(r#"{{"exp":2000000,{members}}}"#);
            assert_eq!(read_and_check(&text, &validation(audiences, 0)), expected, "{name}");
        }
    }

    #[test]
    fn checks_that_are_off_are_skipped() {
        let unchecked = Validation { issuer: None, audiences: None, ..validation(&[], 0) };
        for members in [r#""iss":"them""#, r#""aud":"x""#, r#""aud":[]"#, r#""sub":"a""#] {
            assert_eq!(
                read_and_check(&format!(r#"{{"exp":2000000,{members}}}"#), &unchecked),
                Ok(())
            );
        }
        assert_eq!(
            read_and_check(r#"{"exp":2000000,"iss":1}"#, &unchecked),
            Err(Rejection::Claims)
        );
    }

    #[test]
    fn context_claims_over_the_limit_are_refused() {
        let with = |name: &str, bytes: usize| {
            let text = json!({"iss": "us", "exp": 2_000_000, name: ""}).to_string();
            let rest = context_claims_len(&json::object(text.as_bytes()).unwrap());
            let value = "x".repeat(bytes.saturating_sub(rest));
            read_and_check(
                &json!({"iss": "us", "exp": 2_000_000, name: value}).to_string(),
                &validation(&[], 0),
            )
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
