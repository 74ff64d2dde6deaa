/// Splits a JSON text into its tokens (RFC 8259 section 2), unchanged and without the white space
/// between them.
///
/// The text is not checked. If it is not JSON, the tokens are its characters without white space.
///
/// ```
/// let tokens: Vec<_> = countersign_jwt::json::tokens(r#"{ "a b": 1e2 }"#).collect();
/// assert_eq!(tokens, ["{", r#""a b""#, ":", "1e2", "}"]);
/// ```
pub fn tokens(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(WHITE_SPACE);
        let length = match rest.chars().next()? {
            '"' => string_len(rest),
            first if STRUCTURAL.contains(&first) => first.len_utf8(),
            _ => rest.find(ends_literal).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(token)
    })
}

/// The length of a string with its quotation marks. It ends with the text if the second one is
/// missing.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn ends_literal(c: char) -> bool {
    c == '"' || WHITE_SPACE.contains(&c) || STRUCTURAL.contains(&c)
}

/// RFC 8259 section 2.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
const STRUCTURAL: [char; 6] = ['{', '}', '[', ']', ':', ','];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_text_without_white_space() {
        let rows: [(&str, &[&str]); 7] = [
            ("", &[]),
            (" \n", &[]),
            ("{\"a\":[-1.5e+3,true]}", &["{", "\"a\"", ":", "[", "-1.5e+3", ",", "true", "]", "}"]),
            (r#" "1 \" 2" 3"#, &[r#""1 \" 2""#, "3"]),
            (r#""\\"4"#, &[r#""\\""#, "4"]),
            ("\"ü{", &["\"ü{"]),
            ("ü\"a\"", &["ü", "\"a\""]),
        ];
        for (text, expected) in rows {
            assert_eq!(tokens(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
