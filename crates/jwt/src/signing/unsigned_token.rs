use std::fmt;

use serde_json::{Map, Value, json};

use crate::{Algorithm, encoding::base64url};

/// A token before it is signed: all that does not depend on the key.
///
/// ```
/// use countersign_jwt::{Algorithm, UnsignedToken};
/// use serde_json::{Map, json};
///
/// let mut claims = Map::new();
/// claims.insert("sub".into(), json!("alice"));
/// let input = UnsignedToken::new("JWT", &claims).signing_input(Algorithm::Es256, "my-key");
/// // A P-256 key signs `input.as_bytes()`.
/// let signature = [0; 64];
/// assert_eq!(input.token_bytes(64), input.into_token(&signature).reveal().len());
/// ```
pub struct UnsignedToken {
    /// `typ` of the header.
    pub token_type: String,
    /// The payload: the text of a JSON object.
    pub payload: String,
}

impl UnsignedToken {
    /// Creates a token with these claims.
    #[must_use]
    pub fn new(token_type: &str, claims: &Map<String, Value>) -> Self {
        Self { token_type: token_type.to_owned(), payload: json!(claims).to_string() }
    }

    /// Writes the header with `alg`, `typ` and `kid`, and returns the text to be signed.
    #[must_use]
    pub fn signing_input(&self, algorithm: Algorithm, key_id: &str) -> SigningInput {
        // A `Map` sorts its members. `alg`, `typ`, `kid` is the order that readers expect.
        let header = format!(
            r#"{{"alg":{},"typ":{},"kid":{}}}"#,
            json!(algorithm.name()),
            json!(self.token_type),
            json!(key_id)
        );
        SigningInput(format!("{}.{}", base64url::encode(header), base64url::encode(&self.payload)))
    }
}

/// Shows no claims.
impl fmt::Debug for UnsignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsignedToken")
            .field("token_type", &self.token_type)
            .finish_non_exhaustive()
    }
}

/// The JWS signing input: the encoded header and payload with a dot between them (RFC 7515 section
/// 5.1, step 5).
pub struct SigningInput(String);

impl SigningInput {
    /// The bytes to be signed. The algorithm hashes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The length in characters of the token with a signature of this many bytes.
    #[must_use]
    pub const fn token_bytes(&self, signature_bytes: usize) -> usize {
        // Base64url without padding encodes three bytes as four characters.
        self.0.len() + ".".len() + (signature_bytes * 4).div_ceil(3)
    }

    /// Appends a signature. For ECDSA, that is `r` and `s` at full width (RFC 7518 section 3.4).
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

/// A signed token in compact form (RFC 7515 section 7.1).
///
/// It is a credential: `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns the text of the token, for the response to the client.
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
    fn predicted_token_length_is_exact() {
        let unsigned = UnsignedToken::new("JWT", &Map::new());
        for bytes in [0, 1, 2, 3, 4, 64, 132, 256, 2420, 3309, 4627] {
            let input = unsigned.signing_input(Algorithm::Rs256, "k");
            let expected = input.token_bytes(bytes);
            assert_eq!(input.into_token(&vec![1; bytes]).reveal().len(), expected, "{bytes}");
        }
    }

    #[test]
    fn token_has_compact_form_and_debug_hides_it() {
        let claims = json!({"sub": "test-user", "iss": "my-lambda", "exp": 1_911_744_000});
        let Value::Object(claims) = claims else { panic!("not an object") };
        let unsigned = UnsignedToken::new("JWT", &claims);
        let input = unsigned.signing_input(Algorithm::Rs256, "a\"b");
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
        let input = unsigned.signing_input(Algorithm::Rs256, "k");
        assert_eq!(format!("{unsigned:?}"), r#"UnsignedToken { token_type: "JWT", .. }"#);
        assert_eq!(format!("{input:?} {token:?}"), "SigningInput { .. } Token { .. }");
    }
}
