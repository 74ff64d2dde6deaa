use serde_json::Value;

use crate::{Algorithm, Rejection, Validation, is_same_token_type, json};

/// The members of a JOSE header that this project acts on. All others are ignored, but for those
/// that would have to be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) token_type: Option<String>,
    pub(crate) key_id: Option<String>,
}

impl Header {
    pub(crate) fn read(text: &[u8]) -> Result<Self, Rejection> {
        let mut members = json::object(text).map_err(|_| Rejection::Header)?;
        if let Some(name) = REFUSED.into_iter().find(|name| members.contains_key(*name)) {
            return Err(Rejection::Parameter(name));
        }
        let mut text = |name| match members.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Rejection::Header),
        };
        let name = text("alg")?.ok_or(Rejection::Header)?;
        Ok(Self {
            algorithm: Algorithm::from_name(&name).ok_or(Rejection::UnsupportedAlgorithm)?,
            token_type: text("typ")?,
            key_id: text("kid")?,
        })
    }

    pub(crate) fn check(&self, profile: &Validation) -> Result<(), Rejection> {
        let token_type = self.token_type.as_deref().unwrap_or("JWT");
        let is_expected = is_same_token_type(token_type, &profile.token_type);
        if is_expected { Ok(()) } else { Err(Rejection::Type) }
    }
}

/// `crit` and `b64` change what is signed, `zip` and `enc` what is read; the others offer a key of
/// the token's own choosing.
const REFUSED: [&str; 8] = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let kid = "9ff1a1ee-0b3c-4f4f-9d0e-6f4ab1d4cf65";
        let good = |key_id: Option<&str>, token_type: Option<&str>| {
            Ok(Header {
                algorithm: Algorithm::Rs256,
                token_type: token_type.map(str::to_owned),
                key_id: key_id.map(str::to_owned),
            })
        };
        let rows = [
            (
                "all three",
                format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{kid}"}}"#),
                good(Some(kid), Some("JWT")),
            ),
            ("by hand", r#"{"alg":"RS256","typ":"JWT"}"#.into(), good(None, Some("JWT"))),
            ("alg alone", r#"{"alg":"RS256"}"#.into(), good(None, None)),
            (
                "a thumbprint nobody follows",
                r#"{"alg":"RS256","x5t":"AAAA"}"#.into(),
                good(None, None),
            ),
            ("no alg", r#"{"typ":"JWT"}"#.into(), Err(Rejection::Header)),
            ("alg is a number", r#"{"alg":256}"#.into(), Err(Rejection::Header)),
            ("alg none", r#"{"alg":"none"}"#.into(), Err(Rejection::UnsupportedAlgorithm)),
            ("alg NONE", r#"{"alg":"NONE"}"#.into(), Err(Rejection::UnsupportedAlgorithm)),
            ("alg empty", r#"{"alg":""}"#.into(), Err(Rejection::UnsupportedAlgorithm)),
            (
                "alg in lower case",
                r#"{"alg":"rs256"}"#.into(),
                Err(Rejection::UnsupportedAlgorithm),
            ),
            (
                "alg with a space",
                r#"{"alg":"RS256 "}"#.into(),
                Err(Rejection::UnsupportedAlgorithm),
            ),
            ("HS256", r#"{"alg":"HS256"}"#.into(), Err(Rejection::UnsupportedAlgorithm)),
            ("kid is a number", r#"{"alg":"RS256","kid":1}"#.into(), Err(Rejection::Header)),
            ("typ is null", r#"{"alg":"RS256","typ":null}"#.into(), Err(Rejection::Header)),
            ("alg twice", r#"{"alg":"RS256","alg":"RS256"}"#.into(), Err(Rejection::Header)),
            ("not an object", "[]".into(), Err(Rejection::Header)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(Header::read(text.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn parameters_that_are_never_followed() {
        for name in ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"] {
            let text = format!(r#"{{"alg":"RS256","{name}":null}}"#);
            assert_eq!(Header::read(text.as_bytes()), Err(Rejection::Parameter(name)));
        }
    }
}
