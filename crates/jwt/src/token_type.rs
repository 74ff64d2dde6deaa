use std::str::FromStr;

/// A required value of `typ`, which names a media type.
///
/// ```
/// use countersign_jwt::TokenType;
///
/// let token_type: TokenType = "at+jwt".parse()?;
/// assert_eq!(String::from(token_type), "at+jwt");
/// assert!("application/".parse::<TokenType>().is_err());
/// # Ok::<(), countersign_jwt::EmptyTokenType>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenType(String);

/// A token type is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must name a media type, such as JWT or at+jwt")]
pub struct EmptyTokenType;

impl FromStr for TokenType {
    type Err = EmptyTokenType;

    fn from_str(text: &str) -> Result<Self, EmptyTokenType> {
        if subtype(text).is_empty() { Err(EmptyTokenType) } else { Ok(Self(text.to_owned())) }
    }
}

impl From<TokenType> for String {
    fn from(TokenType(text): TokenType) -> Self {
        text
    }
}

/// Returns whether two values of `typ` name the same media type (RFC 7515 section 4.1.9).
///
/// The comparison ignores case, also in parameters of a media type. The prefix `application/` may
/// be missing if no other slash follows.
///
/// ```
/// assert!(countersign_jwt::is_same_token_type("application/at+jwt", "AT+JWT"));
/// assert!(!countersign_jwt::is_same_token_type("at+jwt", "JWT"));
/// ```
#[must_use]
pub fn is_same_token_type(one: &str, other: &str) -> bool {
    subtype(one).eq_ignore_ascii_case(subtype(other))
}

/// Removes `application/` if no other slash follows.
fn subtype(token_type: &str) -> &str {
    match token_type.split_once('/') {
        Some((kind, subtype))
            if kind.eq_ignore_ascii_case("application") && !subtype.contains('/') =>
        {
            subtype
        }
        _ => token_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_token_type_is_refused() {
        let rows = [
            ("JWT", true),
            ("application/at+jwt", true),
            ("application//", true),
            ("", false),
            ("application/", false),
            ("APPLICATION/", false),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<TokenType>().is_ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn token_types_are_compared_as_media_types() {
        let rows = [
            ("at+jwt", "at+jwt", true),
            ("AT+JWT", "at+jwt", true),
            ("application/at+jwt", "at+jwt", true),
            ("Application/AT+jwt", "at+jwt", true),
            ("application/at+jwt", "APPLICATION/at+JWT", true),
            ("jwt", "JWT", true),
            ("application/jwt", "JWT", true),
            ("at+jwt", "JWT", false),
            ("application/at+jwt", "jwt", false),
            ("at+jwt ", "at+jwt", false),
            ("text/at+jwt", "at+jwt", false),
            ("/at+jwt", "at+jwt", false),
            ("applications/at+jwt", "at+jwt", false),
            ("application/application/at+jwt", "application/at+jwt", false),
            ("application/at+jwt/x", "at+jwt/x", false),
            ("application/at+jwt;a=/", "at+jwt;a=/", false),
            ("application/at+jwt/x", "application/AT+jwt/x", true),
            ("", "JWT", false),
            ("application/", "JWT", false),
        ];
        for (one, other, expected) in rows {
            assert_eq!(is_same_token_type(one, other), expected, "{one} {other}");
            assert_eq!(is_same_token_type(other, one), expected, "{other} {one}");
        }
    }
}
