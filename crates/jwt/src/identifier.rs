/// Returns whether an identifier, such as `sub` or `aud`, has no white space, no control characters
/// and no bidirectional formatting characters.
///
/// RFC 7519 section 2 allows these characters, but two values that differ by one of them look alike
/// in logs and rules, and software that trims white space treats them as equal. RFC 8264 section
/// 4.2 excludes them from identifiers. White space is the Unicode property `White_Space`. The
/// bidirectional characters are those of Unicode Standard Annex 9, sections 2.1 to 2.6. The empty
/// text is plain.
///
/// ```
/// use countersign_jwt::is_plain_identifier;
///
/// assert!(is_plain_identifier("arn:aws:sts::123456789012:assumed-role/orders/a@b"));
/// assert!(!is_plain_identifier("admin "));
/// assert!(!is_plain_identifier("nim\u{202E}da"));
/// ```
#[must_use]
pub fn is_plain_identifier(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || c.is_whitespace() || is_bidi_format(c))
}

/// What [`is_plain_identifier`] requires, for error messages after the name of a value.
pub const PLAIN_IDENTIFIER_RULE: &str =
    "must not contain white space, control characters or bidirectional formatting characters";

const fn is_bidi_format(c: char) -> bool {
    matches!(
        c,
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_control_and_bidi_characters_are_not_plain() {
        let refused = [
            '\0', '\t', '\n', '\r', '\u{1B}', ' ', '\u{7F}', '\u{85}', '\u{9B}', '\u{A0}',
            '\u{61C}', '\u{1680}', '\u{2003}', '\u{200E}', '\u{200F}', '\u{2028}', '\u{2029}',
            '\u{202A}', '\u{202B}', '\u{202C}', '\u{202D}', '\u{202E}', '\u{202F}', '\u{2066}',
            '\u{2067}', '\u{2068}', '\u{2069}', '\u{3000}',
        ];
        for c in refused {
            for text in [format!("{c}"), format!("{c}ab"), format!("a{c}b"), format!("ab{c}")] {
                assert!(!is_plain_identifier(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn other_characters_are_plain() {
        let accepted = [
            "",
            "test-user",
            "https://api.example/v1?a=b#c",
            "arn:aws:sts::123456789012:assumed-role/orders/a=b,c.d@e_f+g-h",
            "repo:acme@123/app@456:ref:refs/heads/main",
            "auth0|5f7c8ec7",
            "Jürgen",
            "משתמש",
            "用户",
            "🦀",
            // Emoji and some scripts need joiners.
            "a\u{200D}b",
        ];
        for text in accepted {
            assert!(is_plain_identifier(text), "{text:?}");
        }
    }
}
