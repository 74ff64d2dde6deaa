use std::time::Duration;

use jwt::json;
use serde_json::{Map, Value};

use crate::{IssuanceError, IssuerConfig, claims, lifetime::requested_lifetime};

/// A request for a token, whose form has been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The claims that the caller asks for. None of them is one that the issuer sets.
    pub claims: Map<String, Value>,
    /// The lifetime that the caller asks for, at most [`IssuerConfig::lifetime_max`].
    pub lifetime: Option<Duration>,
}

impl TokenRequest {
    /// Reads `{"claims": {…}, "expires_in": 3600}`. `expires_in`, in seconds, is optional.
    ///
    /// # Errors
    /// The first problem of the request's form, its claims or its lifetime.
    pub fn read(text: &[u8], config: &IssuerConfig) -> Result<Self, IssuanceError> {
        // This check comes first because a number beyond the range of an f64 is not parsed as JSON.
        if let Some(claim) = claims::find_inexact(text) {
            return Err(IssuanceError::InexactNumber { claim });
        }
        let mut members = json::object(text).map_err(IssuanceError::NotJson)?;
        let [claims, expires_in] = MEMBERS.map(|name| members.remove(name));
        if !members.is_empty() {
            return Err(IssuanceError::UnknownMember { known: &MEMBERS });
        }
        let Some(Value::Object(claims)) = claims else {
            return Err(IssuanceError::ClaimsNotObject);
        };
        claims::check(&claims, config)?;
        let lifetime = expires_in
            .map(|value| requested_lifetime(value.as_u64(), config.lifetime_max))
            .transpose()?;
        Ok(Self { claims, lifetime })
    }
}

/// The members of a request.
const MEMBERS: [&str; 2] = ["claims", "expires_in"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LifetimeError;
    use policy::issuance::Caller;
    use serde_json::json;

    impl IssuerConfig {
        /// The defaults, with a lifetime of 10 minutes and at most 15 minutes.
        pub(crate) fn with_short_lifetimes() -> Self {
            Self {
                lifetime: Duration::from_mins(10),
                lifetime_max: Duration::from_mins(15),
                ..Self::new("us")
            }
        }
    }

    impl TokenRequest {
        /// Reads a request of a direct invocation and has it granted. Returns its claims and its lifetime in
        /// seconds.
        pub(crate) fn read_and_grant(text: &str) -> Result<(Value, u64), IssuanceError> {
            let config = IssuerConfig::with_short_lifetimes();
            let request = Self::read(text.as_bytes(), &config)?;
            let granted = request.grant(&Caller::Invoke, &config)?;
            Ok((Value::Object(granted.claims), granted.lifetime.as_secs()))
        }
    }

    #[test]
    fn error_about_an_unknown_member_names_the_members() {
        let error = TokenRequest::read_and_grant(r#"{"claims":{},"expires":60}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown member in the request: only claims and expires_in are allowed"
        );
    }

    #[test]
    fn requests_are_read_strictly() {
        let rows = [
            ("claims", r#"{"claims":{"sub":"a"}}"#, Ok((json!({"sub": "a"}), 600))),
            ("no claims", r#"{"claims":{}}"#, Ok((json!({}), 600))),
            ("lifetime", r#"{"claims":{},"expires_in":1}"#, Ok((json!({}), 1))),
            ("longest lifetime", r#"{"claims":{},"expires_in":900}"#, Ok((json!({}), 900))),
            (
                "lifetime above the maximum",
                r#"{"claims":{},"expires_in":901}"#,
                Err(LifetimeError::TooLong { max: 900 }.into()),
            ),
            (
                "lifetime of zero",
                r#"{"claims":{},"expires_in":0}"#,
                Err(LifetimeError::Invalid.into()),
            ),
            (
                "negative lifetime",
                r#"{"claims":{},"expires_in":-1}"#,
                Err(LifetimeError::Invalid.into()),
            ),
            (
                "fractional lifetime",
                r#"{"claims":{},"expires_in":1.5}"#,
                Err(LifetimeError::Invalid.into()),
            ),
            (
                "lifetime as a string",
                r#"{"claims":{},"expires_in":"60"}"#,
                Err(LifetimeError::Invalid.into()),
            ),
            (
                "null lifetime",
                r#"{"claims":{},"expires_in":null}"#,
                Err(LifetimeError::Invalid.into()),
            ),
            ("empty object", "{}", Err(IssuanceError::ClaimsNotObject)),
            ("claims in an array", r#"{"claims":[]}"#, Err(IssuanceError::ClaimsNotObject)),
            ("claims in a string", r#"{"claims":"{}"}"#, Err(IssuanceError::ClaimsNotObject)),
            (
                "misspelled member",
                r#"{"claims":{},"expire_in":1}"#,
                Err(IssuanceError::UnknownMember { known: &MEMBERS }),
            ),
            (
                "claims without claims member",
                r#"{"sub":"a"}"#,
                Err(IssuanceError::UnknownMember { known: &MEMBERS }),
            ),
            ("sub is a number", r#"{"claims":{"sub":1}}"#, Err(IssuanceError::InvalidSubject)),
            (
                "several audiences",
                r#"{"claims":{"aud":["a","b"]}}"#,
                Ok((json!({"aud": ["a", "b"]}), 600)),
            ),
            ("scopes", r#"{"claims":{"scope":"a b:c"}}"#, Ok((json!({"scope": "a b:c"}), 600))),
            (
                "scopes in an array",
                r#"{"claims":{"scope":["a"]}}"#,
                Err(IssuanceError::InvalidScope),
            ),
            ("empty scope", r#"{"claims":{"scope":""}}"#, Err(IssuanceError::InvalidScope)),
            (
                "scopes with two spaces",
                r#"{"claims":{"scope":"a  b"}}"#,
                Err(IssuanceError::InvalidScope),
            ),
            (
                "scope with a quotation mark",
                r#"{"claims":{"scope":"a\""}}"#,
                Err(IssuanceError::InvalidScope),
            ),
            ("empty sub", r#"{"claims":{"sub":""}}"#, Err(IssuanceError::InvalidSubject)),
            ("empty aud", r#"{"claims":{"aud":[]}}"#, Err(IssuanceError::InvalidAudience)),
            ("aud is a number", r#"{"claims":{"aud":1}}"#, Err(IssuanceError::InvalidAudience)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(TokenRequest::read_and_grant(text), expected, "{name}");
        }
    }

    #[test]
    fn request_that_is_not_a_strict_json_object_is_refused() {
        for text in ["", "claims", "[]", r#"{"claims":{"sub":"a","sub":"b"}}"#] {
            let read = TokenRequest::read_and_grant(text);
            assert!(matches!(read, Err(IssuanceError::NotJson(_))), "{text}");
        }
    }
}
