use std::borrow::Cow;

/// Replaces each escaped surrogate without its other half by an escaped U+FFFD (RFC 8259 section
/// 8.2).
///
/// API Gateway forwards such escapes from clients, and Rust strings cannot hold them. All other
/// text stays as it is, whether it is JSON or not.
///
/// ```
/// use countersign_jwt::json::replace_lone_surrogates;
///
/// assert_eq!(replace_lone_surrogates(r#""\ud83e\udd80 \ud83e""#), r#""\ud83e\udd80 \ufffd""#);
/// ```
#[must_use]
pub fn replace_lone_surrogates(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let (mut rest, mut replaced) = (text, String::with_capacity(text.len()));
    while let Some((before, after)) = rest.split_once('\\') {
        replaced.push_str(before);
        let escape_len =
            match (surrogate(after), after.get(5..).and_then(|more| more.strip_prefix('\\'))) {
                (Some(Surrogate::High), Some(next)) if surrogate(next) == Some(Surrogate::Low) => {
                    11
                }
                (Some(_), _) => {
                    replaced.push_str("\\ufffd");
                    rest = after.get(5..).unwrap_or_default();
                    continue;
                }
                // Skips the escaped character, which may be a backslash.
                (None, _) => after.chars().next().map_or(0, char::len_utf8),
            };
        replaced.push('\\');
        let (kept, after) = after.split_at(escape_len);
        replaced.push_str(kept);
        rest = after;
    }
    replaced.push_str(rest);
    Cow::Owned(replaced)
}

#[derive(PartialEq, Eq)]
enum Surrogate {
    High,
    Low,
}

/// Reads a surrogate from an escape without its backslash.
fn surrogate(escape: &str) -> Option<Surrogate> {
    let digits = escape.strip_prefix('u')?.get(..4)?;
    let digits = Some(digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Surrogate::High),
        0xdc00..=0xdfff => Some(Surrogate::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn lone_surrogates_are_replaced() {
        let rows = [
            (r#""a\n\\u00e9""#, r#""a\n\\u00e9""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\uD83D\uDE00 \ud800""#, r#""\uD83D\uDE00 \ufffd""#),
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\udc00x""#, r#""\ufffdx""#),
            (r#""\ud800\ud800\udc00""#, r#""\ufffd\ud800\udc00""#),
            (r#""\ud800\n""#, r#""\ufffd\n""#),
            (r#""\\ud800""#, r#""\\ud800""#),
            (r#""\\\ud800\\""#, r#""\\\ufffd\\""#),
            (r#""\ud800\\udc00""#, r#""\ufffd\\udc00""#),
            // Not JSON before and after.
            (r"\ud8", r"\ud8"),
            (r"\ud+00", r"\ud+00"),
            ("\\ud800\\", "\\ufffd\\"),
            ("\\\u{e4}\\ud800", "\\\u{e4}\\ufffd"),
        ];
        for (text, expected) in rows {
            assert_eq!(replace_lone_surrogates(text), expected, "{text}");
            if text.starts_with('"') {
                assert!(serde_json::from_str::<Value>(expected).is_ok(), "{text}");
            }
        }
    }
}
