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
