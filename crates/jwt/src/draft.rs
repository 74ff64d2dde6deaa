use std::fmt;

use serde_json::{Map, Value, json};

use crate::{Algorithm, base64url};

/// A token that nobody has signed: everything but the key's part of it.
pub struct Draft {
    /// The header's `typ`.
    pub token_type: String,
    /// The payload, as it will stand in the token: JSON.
    pub payload: String,
}

impl Draft {
    /// With these claims as the payload.
    #[must_use]
    pub fn new(token_type: &str, claims: &Map<String, Value>) -> Self {
        Self { token_type: token_type.to_owned(), payload: json!(claims).to_string() }
    }

    /// The bytes that a key of this algorithm and id has to sign.
    #[must_use]
    pub fn signing_input(&self, algorithm: Algorithm, key_id: &str) -> SigningInput {
        // Written by hand for its order, which is the one that people know from other tokens.
        let header = format!(
            r#"{{"alg":{},"typ":{},"kid":{}}}"#,
            json!(algorithm.name()),
            json!(self.token_type),
            json!(key_id)
        );
        SigningInput(format!("{}.{}", base64url::encode(header), base64url::encode(&self.payload)))
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("token_type", &self.token_type).finish_non_exhaustive()
    }
}

/// The JWS signing input (RFC 7515 section 5.1).
pub struct SigningInput(String);

impl SigningInput {
    /// What is signed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The token, given its signature as JOSE writes it.
    #[must_use]
    pub fn into_token(self, signature: &[u8]) -> Token {
        Token(format!("{}.{}", self.0, base64url::encode(signature)))
    }
}

impl fmt::Debug for SigningInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningInput").finish_non_exhaustive()
    }
}

/// A signed token in compact form: a credential, which does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The credential, for the one who asked for it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_token() {
        let claims = json!({"sub": "test-user", "iss": "my-lambda", "exp": 1_911_744_000});
        let Value::Object(claims) = claims else { panic!("an object") };
        let draft = Draft::new("JWT", &claims);
        let input = draft.signing_input(Algorithm::Rs256, "a\"b");
        let token = input.into_token(&[0xff, 0xfe]);
        let parts: Vec<_> = token.reveal().split('.').collect();
        assert_eq!(
            base64url::decode(parts[0]).unwrap(),
            br#"{"alg":"RS256","typ":"JWT","kid":"a\"b"}"#
        );
        assert_eq!(
            base64url::decode(parts[1]).unwrap(),
            br#"{"exp":1911744000,"iss":"my-lambda","sub":"test-user"}"#
        );
        assert_eq!(parts[2], "__4");
        let input = draft.signing_input(Algorithm::Rs256, "k");
        assert_eq!(format!("{draft:?}"), r#"Draft { token_type: "JWT", .. }"#);
        assert_eq!(format!("{input:?} {token:?}"), "SigningInput { .. } Token { .. }");
    }
}
