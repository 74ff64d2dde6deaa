use serde_json::Value;

use super::rejection::Rejection;
use crate::{Algorithm, json};

/// The header parameters that verification uses (RFC 7515 section 4.1). Unknown parameters are
/// ignored, except those in [`REFUSED_PARAMETERS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) token_type: Option<String>,
    pub(crate) key_id: Option<String>,
}

impl Header {
    pub(crate) fn read(text: &[u8]) -> Result<Self, Rejection> {
        let mut members = json::object(text).map_err(|_| Rejection::Header)?;
        if let Some(name) = REFUSED_PARAMETERS.into_iter().find(|name| members.contains_key(*name))
        {
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
}

/// `crit` and `b64` change what is signed (RFC 7515 section 4.1.11, RFC 7797). `zip` and `enc`
/// change how the payload is read (RFC 7516). The others supply a key, which an attacker could
/// choose (RFC 8725 section 3.10).
const REFUSED_PARAMETERS: [&str; 8] = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_strictly() {
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
                "alg, typ and kid",
                format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{kid}"}}"#),
                good(Some(kid), Some("JWT")),
            ),
            ("without kid", r#"{"alg":"RS256","typ":"JWT"}"#.into(), good(None, Some("JWT"))),
            ("alg only", r#"{"alg":"RS256"}"#.into(), good(None, None)),
            ("unknown parameter", r#"{"alg":"RS256","x5t":"AAAA"}"#.into(), good(None, None)),
            ("alg is missing", r#"{"typ":"JWT"}"#.into(), Err(Rejection::Header)),
            ("alg is a number", r#"{"alg":256}"#.into(), Err(Rejection::Header)),
            ("alg none", r#"{"alg":"none"}"#.into(), Err(Rejection::UnsupportedAlgorithm)),
            ("alg NONE", r#"{"alg":"NONE"}"#.into(), Err(Rejection::UnsupportedAlgorithm)),
            ("empty alg", r#"{"alg":""}"#.into(), Err(Rejection::UnsupportedAlgorithm)),
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
            ("repeated alg", r#"{"alg":"RS256","alg":"RS256"}"#.into(), Err(Rejection::Header)),
            ("array", "[]".into(), Err(Rejection::Header)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(Header::read(text.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn parameter_that_changes_reading_or_key_is_refused() {
        for name in ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"] {
            let text = format!(r#"{{"alg":"RS256","{name}":null}}"#);
            assert_eq!(Header::read(text.as_bytes()), Err(Rejection::Parameter(name)), "{name}");
        }
    }
}
