use serde_json::{Map, Value};

/// Returns the length in bytes of a value as `serde_json` writes it, without white space.
///
/// ```
/// use countersign_jwt::json;
///
/// assert_eq!(json::bytes(&serde_json::json!({"a": [1, "é"]})), r#"{"a":[1,"é"]}"#.len());
/// ```
#[must_use]
pub fn bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text_bytes(text),
        Value::Array(items) => punctuation(items.len()) + items.iter().map(bytes).sum::<usize>(),
        Value::Object(members) => object_bytes(members),
    }
}

/// Returns the length in bytes of an object, as [`bytes`] does.
#[must_use]
pub fn object_bytes(members: &Map<String, Value>) -> usize {
    let member = |(name, value): (&String, &Value)| text_bytes(name) + 1 + bytes(value);
    punctuation(members.len()) + members.iter().map(member).sum::<usize>()
}

/// Returns the length in bytes of a string as JSON, with its quotation marks and escapes.
#[must_use]
pub fn text_bytes(text: &str) -> usize {
    let escaped_len = |byte| match byte {
        b'"' | b'\\' | 0x08 | 0x09 | 0x0A | 0x0C | 0x0D => 2,
        ..0x20 => 6,
        _ => 1,
    };
    // Without a branch for each byte, the compiler checks many bytes at once.
    let is_plain = |byte| byte >= 0x20 && byte != b'"' && byte != b'\\';
    let all_plain = text.bytes().fold(true, |plain, byte| plain & is_plain(byte));
    2 + if all_plain { text.len() } else { text.bytes().map(escaped_len).sum() }
}

/// The commas between items, and the two brackets.
fn punctuation(items: usize) -> usize {
    items.saturating_sub(1) + 2
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn length_is_that_of_the_written_text() {
        let characters: String = (0..=0xFF).map(char::from).collect();
        let rows = [
            json!(null),
            json!([true, false]),
            json!([0, 7, -7, 10, u64::MAX, i64::MIN, 1.5, 1e300, -0.0]),
            json!(["", "text", &characters, "ü", "🦀", "\u{2028}"]),
            json!([[], {}, [[]], [{}]]),
            json!({"a": 1, "": {"\"": ["b", {}]}, "ä\n": null}),
        ];
        // Also tests each character alone: next to an escaped character, a missed escape would go unnoticed.
        let single = characters.chars().map(|character| json!(character.to_string()));
        for value in single.chain(rows) {
            assert_eq!(bytes(&value), value.to_string().len(), "{value}");
        }
    }
}
