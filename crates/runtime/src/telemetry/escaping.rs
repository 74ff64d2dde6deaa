//! A JSON formatter that escapes invisible characters.

use std::io::{self, Write};

use jwt::is_invisible;
use serde_json::ser::Formatter;

/// Compact JSON with escapes for invisible characters that JSON need not escape: DEL and C1 control characters, line
/// and paragraph separators, and invisible formatting characters. The values stay the same (RFC 8259 section 7).
pub(super) struct VisibleJson;

impl Formatter for VisibleJson {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all text is ASCII, where only DEL is unescaped: JSON escapes the other control characters itself.
        if fragment.is_ascii() && !fragment.contains('\u{7f}') {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(is_hidden) {
            let (visible, hidden) = rest.split_at(at);
            writer.write_all(visible.as_bytes())?;
            let mut after = hidden.chars();
            if let Some(c) = after.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = after.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

fn is_hidden(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Serializer, Value, json};

    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_values_stay() {
        let hidden =
            "a\u{9b}\u{7f}\u{ad}\u{200b}\u{200d}\u{202e}\u{2028}\u{2066}\u{feff}\u{e0041}b";
        let value = json!({
            "sub": hidden, hidden: ["\n\"\\", "\u{e4} \u{1f980}", hidden], "n": 1.5, "empty": "",
            "ascii": "a\u{7f}b",
        });
        let mut line = Vec::new();
        value.serialize(&mut Serializer::with_formatter(&mut line, VisibleJson)).unwrap();
        let line = String::from_utf8(line).unwrap();
        let escaped = r"a\u009b\u007f\u00ad\u200b\u200d\u202e\u2028\u2066\ufeff\udb40\udc41b";
        assert_eq!(line.matches(escaped).count(), 3, "{line}");
        assert!(!line.contains(is_hidden), "{line}");
        assert!(line.contains("\u{e4} \u{1f980}"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
