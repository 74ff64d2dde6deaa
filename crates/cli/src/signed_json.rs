//! The JSON of a token, printed with the numbers and the order of members that were signed. A
//! [`Value`](serde_json::Value) would round numbers and sort members.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{is_invisible, is_plain_identifier, json};

use crate::terminal::push_escape;

/// Decodes the header or the claims of a token. `None` if the part is not base64url of a strict JSON object.
pub(crate) fn decode(part: &str) -> Option<String> {
    let text = URL_SAFE_NO_PAD.decode(part).ok()?;
    json::object(&text).ok()?;
    String::from_utf8(text).ok()
}

/// The JSON on one line, without white space between its tokens.
pub(crate) fn compact(json: &str) -> String {
    let json: String = json::tokens(json).collect();
    escape(&json)
}

/// The JSON on several lines, indented by two spaces per level.
pub(crate) fn indented(json: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut is_empty = false;
    for token in json::tokens(json) {
        let closes = matches!(token, "}" | "]");
        if closes {
            depth = depth.saturating_sub(1);
        }
        // No line break between the brackets of an empty object or array.
        if is_empty != closes {
            new_line(&mut out, depth);
        }
        out.push_str(token);
        is_empty = matches!(token, "{" | "[");
        match token {
            "{" | "[" => depth += 1,
            "," => new_line(&mut out, depth),
            ":" => out.push(' '),
            _ => {}
        }
    }
    escape(&out)
}

/// Escapes control and formatting characters, which a terminal may interpret. In valid JSON they occur only
/// in strings, where an escape has the same meaning (RFC 8259 section 7).
fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        let is_plain = is_plain_identifier(c.encode_utf8(&mut [0; 4])) && !is_invisible(c);
        if matches!(c, ' ' | '\n') || is_plain {
            out.push(c);
        } else {
            push_escape(&mut out, c);
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_json_keeps_order_and_numbers() {
        let rows = [
            ("{ }", "{}"),
            (r#"{"b":1,"a":"x"}"#, "{\n  \"b\": 1,\n  \"a\": \"x\"\n}"),
            (
                r#"{"a":[],"b":[1e400 ,{"c":{}}]}"#,
                "{\n  \"a\": [],\n  \"b\": [\n    1e400,\n    {\n      \"c\": {}\n    }\n  ]\n}",
            ),
            ("[[1.50], [[]]]", "[\n  [\n    1.50\n  ],\n  [\n    []\n  ]\n]"),
        ];
        for (json, expected) in rows {
            assert_eq!(indented(json), expected, "{json}");
        }
    }

    #[test]
    fn control_and_formatting_characters_are_escaped() {
        let json = "{\"a\u{9b}\": \"nim\u{202e}da\u{7f}\u{2028} \u{e4}\"}";
        assert_eq!(compact(json), r#"{"a\u009b":"nim\u202eda\u007f\u2028 ä"}"#);
        assert_eq!(indented(json), "{\n  \"a\\u009b\": \"nim\\u202eda\\u007f\\u2028 ä\"\n}");
    }

    #[test]
    fn compact_json_keeps_white_space_in_strings() {
        assert_eq!(compact("{\n \"a b\" : [ 1.50, \" \" ] }"), r#"{"a b":[1.50," "]}"#);
    }
}
