/// Returns whether an identifier, such as `sub` or `aud`, has no white space, no control characters
/// and no invisible formatting characters.
///
/// RFC 7519 section 2 allows these characters, but two values that differ by one of them look alike
/// in logs and rules, and software that trims white space treats them as equal. RFC 8264 section
/// 4.2 excludes them from identifiers. White space is the Unicode property `White_Space`. The
/// formatting characters are those of [`is_invisible`], without joiners and variation selectors,
/// which emoji and some scripts need. The empty text is plain.
///
/// ```
/// use countersign_jwt::is_plain_identifier;
///
/// assert!(is_plain_identifier("arn:aws:sts::123456789012:assumed-role/orders/a@b"));
/// assert!(!is_plain_identifier("admin "));
/// assert!(!is_plain_identifier("nim\u{202E}da"));
/// assert!(!is_plain_identifier("ad\u{200B}min"));
/// ```
#[must_use]
pub fn is_plain_identifier(text: &str) -> bool {
    let is_hidden = |c: char| is_invisible(c) && !is_joiner_or_variation(c);
    !text.contains(|c: char| c.is_control() || c.is_whitespace() || is_hidden(c))
}

/// The requirement of [`is_plain_identifier`], for error messages after the name of a value.
pub const PLAIN_IDENTIFIER_RULE: &str =
    "must not contain white space, control characters or invisible formatting characters";

/// Returns whether a character is invisible, so that it can hide in a text or change how the text
/// is displayed.
///
/// These are the characters with the Unicode property `Default_Ignorable_Code_Point` (Unicode
/// Standard Annex 44), which contains the invisible formatting characters of Unicode Standard
/// Annex 9, and the interlinear annotation characters.
///
/// ```
/// use countersign_jwt::is_invisible;
///
/// assert!(is_invisible('\u{200B}') && is_invisible('\u{202E}'));
/// assert!(!is_invisible(' '));
/// ```
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

const fn is_joiner_or_variation(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_control_and_invisible_characters_are_not_plain() {
        let refused = [
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{1B}',
            ' ',
            '\u{7F}',
            '\u{85}',
            '\u{9B}',
            '\u{A0}',
            '\u{61C}',
            '\u{1680}',
            '\u{2003}',
            '\u{200E}',
            '\u{200F}',
            '\u{2028}',
            '\u{2029}',
            '\u{202A}',
            '\u{202B}',
            '\u{202C}',
            '\u{202D}',
            '\u{202E}',
            '\u{202F}',
            '\u{2066}',
            '\u{2067}',
            '\u{2068}',
            '\u{2069}',
            '\u{3000}',
            '\u{AD}',
            '\u{180E}',
            '\u{200B}',
            '\u{2060}',
            '\u{3164}',
            '\u{FEFF}',
            '\u{FFF9}',
            '\u{E0041}',
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
            "\u{2764}\u{FE0F}",
        ];
        for text in accepted {
            assert!(is_plain_identifier(text), "{text:?}");
        }
    }
}
