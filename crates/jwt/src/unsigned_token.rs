use std::fmt;

use serde_json::{Map, Value, json};

use crate::{Algorithm, base64url};

/// A token that nobody has signed: everything but the key's part of it.
pub struct UnsignedToken {
    /// The header's `typ`.
    pub token_type: String,
    /// The payload, as it will stand in the token: JSON.
    pub payload: String,
}

impl UnsignedToken {
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

impl fmt::Debug for UnsignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsignedToken")
            .field("token_type", &self.token_type)
            .finish_non_exhaustive()
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

    /// How long the token will be with a signature of this many bytes.
    #[must_use]
    pub const fn token_bytes(&self, signature_bytes: usize) -> usize {
        // Base64url without padding: four characters for three bytes, and what is left over.
        self.0.len() + ".".len() + (signature_bytes * 4).div_ceil(3)
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
    fn length_of_a_token_is_known_before_it_is_signed() {
        let draft = UnsignedToken::new("JWT", &Map::new());
        for bytes in [0, 1, 2, 3, 4, 64, 132, 256, 2420, 3309, 4627] {
            let input = draft.signing_input(Algorithm::Rs256, "k");
            let expected = input.token_bytes(bytes);
            assert_eq!(input.into_token(&vec![1; bytes]).reveal().len(), expected, "{bytes}");
        }
    }

    #[test]
    fn the_form_of_a_token() {
        let claims = json!({"sub": "test-user", "iss": "my-lambda", "exp": 1_911_744_000});
        let Value::Object(claims) = claims else { panic!("an object") };
        let draft = UnsignedToken::new("JWT", &claims);
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
        assert_eq!(format!("{draft:?}"), r#"UnsignedToken { token_type: "JWT", .. }"#);
        assert_eq!(format!("{input:?} {token:?}"), "SigningInput { .. } Token { .. }");
    }
}
