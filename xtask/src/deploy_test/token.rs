//! A token of a deployed issuer.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// A token. It has no `Debug`, so that it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    compact: String,
    /// The key that signed it.
    pub(super) kid: String,
    /// Its `alg`.
    pub(super) algorithm: String,
}

impl Token {
    /// The token in a response of the issuer.
    pub(super) fn from_response(body: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(body).ok()?;
        let compact = body.get("access_token")?.as_str()?.to_owned();
        let header = URL_SAFE_NO_PAD.decode(compact.split('.').next()?).ok()?;
        let header: Value = serde_json::from_slice(&header).ok()?;
        let text = |name| header.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { compact, kid: text("kid")?, algorithm: text("alg")? })
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.compact)
    }

    /// A claim that is a text.
    pub(super) fn claim(&self, name: &str) -> Option<String> {
        let [_, payload, _] = self.parts()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        claims.get(name)?.as_str().map(str::to_owned)
    }

    /// The same token with another subject, and the signature of this one.
    pub(super) fn tampered(&self) -> Option<Self> {
        let [header, payload, signature] = self.parts()?;
        let mut claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        *claims.get_mut("sub")? = "somebody-else".into();
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let compact = format!("{header}.{payload}.{signature}");
        Some(Self { compact, ..self.clone() })
    }

    fn parts(&self) -> Option<[&str; 3]> {
        let parts: Vec<_> = self.compact.split('.').collect();
        parts.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token() -> Token {
        let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let [header, payload] =
            [json!({"alg": "RS256", "kid": "k"}), json!({"sub": "a", "exp": 1})].map(encode);
        let body = json!({"access_token": format!("{header}.{payload}.c2ln")});
        Token::from_response(&body.to_string()).unwrap()
    }

    #[test]
    fn token_names_its_key() {
        assert_eq!((token().kid.as_str(), token().algorithm.as_str()), ("k", "RS256"));
        assert_eq!(["sub", "exp"].map(|name| token().claim(name)), [Some("a".into()), None]);
        for body in ["", "{}", r#"{"access_token": "e30.e30.c2ln"}"#] {
            assert!(Token::from_response(body).is_none(), "{body}");
        }
    }

    #[test]
    fn tampered_token_differs_in_its_subject_alone() {
        let (token, tampered) = (token(), token().tampered().unwrap());
        let [header, payload, signature] = token.parts().unwrap();
        let [other_header, other, other_signature] = tampered.parts().unwrap();
        assert_eq!((header, signature), (other_header, other_signature));
        let claims = |part: &str| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(claims(payload), json!({"sub": "a", "exp": 1}));
        assert_eq!(claims(other), json!({"sub": "somebody-else", "exp": 1}));
    }
}
