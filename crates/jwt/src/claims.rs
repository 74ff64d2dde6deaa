use std::fmt;

use serde_json::{Map, Value};

use crate::{Rejection, UnixTime, Validation, json};

/// The claims of a token that was verified. There is no other way to come by one than
/// [`Candidate::confirm`](crate::Candidate::confirm).
#[derive(Clone, PartialEq)]
pub struct Claims {
    /// The first second at which the token is no longer valid, leeway aside.
    pub exp: UnixTime,
    nbf: Option<UnixTime>,
    iat: Option<UnixTime>,
    members: Map<String, Value>,
}

impl Claims {
    /// The claim of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// The claim of this name if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Every claim with its name, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Reads the payload: the registered claims must have their RFC's types, and `exp` be there.
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
        let time = |name: &str| {
            let value = members.get(name);
            value.map(|value| UnixTime::from_json(value).ok_or(Rejection::Claims)).transpose()
        };
        let (exp, nbf, iat) = (time("exp")?, time("nbf")?, time("iat")?);
        Ok(Self { exp: exp.ok_or(Rejection::NoExpiry)?, nbf, iat, members })
    }

    pub(crate) fn check(&self, profile: &Validation, now: UnixTime) -> Result<(), Rejection> {
        if now >= self.exp.after(profile.leeway) {
            return Err(Rejection::Expired { at: self.exp });
        }
        let horizon = now.after(profile.leeway);
        if let Some(from) = self.nbf.filter(|from| horizon < *from) {
            return Err(Rejection::NotYetValid { from });
        }
        if let Some(at) = self.iat.filter(|at| horizon < *at) {
            return Err(Rejection::IssuedInFuture { at });
        }
        if profile.issuer.is_some() && self.text("iss") != profile.issuer.as_deref() {
            return Err(Rejection::Issuer);
        }
        let Some(ours) = &profile.audiences else { return Ok(()) };
        match self.get("aud").map(|aud| audiences(aud).unwrap_or_default()) {
            None if ours.is_empty() => Ok(()),
            Some(named) if named.iter().any(|name| ours.iter().any(|our| our == name)) => Ok(()),
            _ => Err(Rejection::Audience),
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("exp", &self.exp).finish_non_exhaustive()
    }
}

/// The claims that say who somebody is and what for: whoever verifies a token can rely on passing
/// them on, as they are held to [`MAX_CONTEXT_CLAIMS_BYTES`] in all.
pub const CONTEXT_CLAIMS: [&str; 6] = ["sub", "scope", "iss", "aud", "jti", "exp"];

/// A token whose [`CONTEXT_CLAIMS`] claims take more bytes of JSON than this is refused.
pub const MAX_CONTEXT_CLAIMS_BYTES: usize = 3072;

/// How many bytes of JSON the [`CONTEXT_CLAIMS`] claims take, their names included.
#[must_use]
pub fn context_claims_len(claims: &Map<String, Value>) -> usize {
    let bytes = |name: &&str| Some(name.len() + json::bytes(claims.get(*name)?));
    CONTEXT_CLAIMS.iter().filter_map(bytes).sum()
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

    fn profile(audiences: &[&str], leeway: u64) -> Validation {
        Validation {
            issuer: Some("us".into()),
            audiences: Some(audiences.iter().map(|&audience| audience.into()).collect()),
            token_type: "JWT".into(),
            leeway: Duration::from_secs(leeway),
        }
    }

    fn judge(text: &str, profile: &Validation) -> Result<(), Rejection> {
        Claims::read(text.as_bytes())?.check(profile, NOW)
    }

    #[test]
    fn times() {
        let at = UnixTime::from_seconds;
        let rows = [
            ("valid for one more second", r#""exp":1000001"#, 0, Ok(())),
            ("a fraction of a second left", r#""exp":1000000.1"#, 0, Ok(())),
            ("exp is now", r#""exp":1000000"#, 0, Err(Rejection::Expired { at: at(1_000_000) })),
            ("exp within the leeway", r#""exp":999941"#, 60, Ok(())),
            (
                "exp at the leeway's end",
                r#""exp":999940"#,
                60,
                Err(Rejection::Expired { at: at(999_940) }),
            ),
            ("no exp", r#""iat":1000000"#, 0, Err(Rejection::NoExpiry)),
            ("exp is null", r#""exp":null"#, 0, Err(Rejection::Claims)),
            ("exp is a string", r#""exp":"1000001""#, 0, Err(Rejection::Claims)),
            ("exp is negative", r#""exp":-1"#, 0, Err(Rejection::Claims)),
            ("exp is no number at all", r#""exp":1e400"#, 0, Err(Rejection::Claims)),
            ("nbf is now", r#""exp":2000000,"nbf":1000000"#, 0, Ok(())),
            (
                "nbf is next",
                r#""exp":2000000,"nbf":1000001"#,
                0,
                Err(Rejection::NotYetValid { from: at(1_000_001) }),
            ),
            (
                "nbf a fraction ahead",
                r#""exp":2000000,"nbf":1000000.5"#,
                0,
                Err(Rejection::NotYetValid { from: at(1_000_001) }),
            ),
            ("nbf within the leeway", r#""exp":2000000,"nbf":1000060"#, 60, Ok(())),
            ("nbf is a string", r#""exp":2000000,"nbf":"0""#, 0, Err(Rejection::Claims)),
            ("iat is now", r#""exp":2000000,"iat":1000000"#, 0, Ok(())),
            (
                "iat is next",
                r#""exp":2000000,"iat":1000001"#,
                0,
                Err(Rejection::IssuedInFuture { at: at(1_000_001) }),
            ),
            ("iat within the leeway", r#""exp":2000000,"iat":1000060"#, 60, Ok(())),
            ("iat is an object", r#""exp":2000000,"iat":{}"#, 0, Err(Rejection::Claims)),
        ];
        for (name, times, leeway, expected) in rows {
            let text = format!(r#"{{"iss":"us",{times}}}"#);
            assert_eq!(judge(&text, &profile(&[], leeway)), expected, "{name}");
        }
    }

    #[test]
    fn who_and_for_whom() {
        let rows: [(&str, &str, &[&str], _); 15] = [
            ("our issuer", r#""iss":"us""#, &[], Ok(())),
            ("another issuer", r#""iss":"them""#, &[], Err(Rejection::Issuer)),
            ("our issuer and more", r#""iss":"us ""#, &[], Err(Rejection::Issuer)),
            ("no issuer", r#""sub":"us""#, &[], Err(Rejection::Issuer)),
            ("several issuers", r#""iss":["us"]"#, &[], Err(Rejection::Claims)),
            ("sub is a number", r#""iss":"us","sub":1"#, &[], Err(Rejection::Claims)),
            ("jti is a number", r#""iss":"us","jti":1"#, &[], Err(Rejection::Claims)),
            ("our audience", r#""iss":"us","aud":"a""#, &["a", "b"], Ok(())),
            ("one of several", r#""iss":"us","aud":["x","b"]"#, &["a", "b"], Ok(())),
            ("none of ours", r#""iss":"us","aud":["x"]"#, &["a", "b"], Err(Rejection::Audience)),
            ("nobody", r#""iss":"us","aud":[]"#, &["a"], Err(Rejection::Audience)),
            ("no audience where we have one", r#""iss":"us""#, &["a"], Err(Rejection::Audience)),
            (
                "an audience where we have none",
                r#""iss":"us","aud":"a""#,
                &[],
                Err(Rejection::Audience),
            ),
            ("aud is null", r#""iss":"us","aud":null"#, &[], Err(Rejection::Claims)),
            (
                "a number among the audiences",
                r#""iss":"us","aud":["a",1]"#,
                &["a"],
                Err(Rejection::Claims),
            ),
        ];
        for (name, members, audiences, expected) in rows {
            let text = format!(r#"{{"exp":2000000,{members}}}"#);
            assert_eq!(judge(&text, &profile(audiences, 0)), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_asked_for_is_not_looked_at() {
        let anybody = Validation { issuer: None, audiences: None, ..profile(&[], 0) };
        for members in [r#""iss":"them""#, r#""aud":"x""#, r#""aud":[]"#, r#""sub":"a""#] {
            assert_eq!(judge(&format!(r#"{{"exp":2000000,{members}}}"#), &anybody), Ok(()));
        }
        assert_eq!(judge(r#"{"exp":2000000,"iss":1}"#, &anybody), Err(Rejection::Claims));
    }

    #[test]
    fn what_is_passed_on_has_a_size() {
        let with = |name: &str, bytes: usize| {
            let text = json!({"iss": "us", "exp": 2_000_000, name: ""}).to_string();
            let rest = context_claims_len(&json::object(text.as_bytes()).unwrap());
            let value = "x".repeat(bytes.saturating_sub(rest));
            judge(
                &json!({"iss": "us", "exp": 2_000_000, name: value}).to_string(),
                &profile(&[], 0),
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
        let claims = Claims::read(br#"{"exp":1,"sub":"somebody"}"#).unwrap();
        assert_eq!(format!("{claims:?}"), "Claims { exp: UnixTime(1), .. }");
    }
}
