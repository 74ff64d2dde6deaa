//! JSON read strictly: member names are unique at every depth, and depth has an end.
//!
//! RFC 7515 section 4 lets a reader take the last of two equal member names. Two readers that
//! choose differently then see two different tokens under one signature, so this one refuses both.

mod text;

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub use text::{has_exact_numbers, tokens};

/// How deep objects and arrays may nest. A token's own object is the first level.
pub const MAX_DEPTH: u8 = 16;

/// Reads one object and nothing after it. The error says where it ends to be one, and quotes
/// nothing of it but its position.
///
/// # Errors
/// When the text is not JSON, not an object, repeats a member name, or nests too deep.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match read(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError { column: 0 }),
    }
}

/// Reads one list of objects, as strictly.
///
/// # Errors
/// As for [`object`].
pub fn objects(text: &[u8]) -> Result<Vec<Map<String, Value>>, JsonError> {
    let not_one = JsonError { column: 0 };
    let Value::Array(items) = read(text)? else { return Err(not_one) };
    let object = |item| if let Value::Object(members) = item { Ok(members) } else { Err(not_one) };
    items.into_iter().map(object).collect()
}

fn read(text: &[u8]) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Level(MAX_DEPTH).deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    value.map_err(|error| JsonError { column: error.column() })
}

/// The text with U+FFFD in place of each escaped surrogate that has no other half (RFC 8259 section 8.2).
/// API Gateway hands on what a client sends; strings of Rust cannot hold half a character.
#[must_use]
pub fn replace_lone_surrogates(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let (mut rest, mut replaced) = (text, String::with_capacity(text.len()));
    while let Some((before, after)) = rest.split_once('\\') {
        replaced.push_str(before);
        let escape =
            match (surrogate(after), after.get(5..).and_then(|more| more.strip_prefix('\\'))) {
                (Some(Half::High), Some(next)) if surrogate(next) == Some(Half::Low) => 11,
                (Some(_), _) => {
                    replaced.push_str("\\ufffd");
                    rest = after.get(5..).unwrap_or_default();
                    continue;
                }
                // An escaped backslash begins nothing.
                (None, _) => after.chars().next().map_or(0, char::len_utf8),
            };
        replaced.push('\\');
        let (kept, after) = after.split_at(escape);
        replaced.push_str(kept);
        rest = after;
    }
    replaced.push_str(rest);
    Cow::Owned(replaced)
}

#[derive(PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Which surrogate this escape is, without its backslash.
fn surrogate(escape: &str) -> Option<Half> {
    let digits = escape.strip_prefix('u')?.get(..4)?;
    let digits = Some(digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

/// How many bytes a value takes as JSON, written without spaces.
#[must_use]
pub fn bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text_bytes(text),
        Value::Array(items) => around(items.len()) + items.iter().map(bytes).sum::<usize>(),
        Value::Object(members) => object_bytes(members),
    }
}

/// How many bytes an object takes as JSON, written without spaces.
#[must_use]
pub fn object_bytes(members: &Map<String, Value>) -> usize {
    let member = |(name, value): (&String, &Value)| text_bytes(name) + 1 + bytes(value);
    around(members.len()) + members.iter().map(member).sum::<usize>()
}

/// How many bytes stand between so many items or members, and at both ends.
fn around(items: usize) -> usize {
    items.saturating_sub(1) + 2
}

/// How many bytes a text takes as JSON, with its quotation marks.
#[must_use]
pub fn text_bytes(text: &str) -> usize {
    let byte = |byte| match byte {
        b'"' | b'\\' | 0x08 | 0x09 | 0x0A | 0x0C | 0x0D => 2,
        ..0x20 => 6,
        _ => 1,
    };
    // Most texts have nothing to escape, which can be seen of many bytes at once.
    let is_plain = |byte| byte >= 0x20 && byte != b'"' && byte != b'\\';
    let plain = text.bytes().fold(true, |plain, byte| plain & is_plain(byte));
    2 + if plain { text.len() } else { text.bytes().map(byte).sum() }
}

/// The text is not one strict JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a JSON object with unique member names and at most {MAX_DEPTH} levels (column {column})"
)]
pub struct JsonError {
    /// Where reading stopped, counted from 1 within its line; 0 for a value that is no object.
    pub column: usize,
}

/// The number of levels that may still be opened.
#[derive(Clone, Copy)]
struct Level(u8);

impl Level {
    fn down<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let level = self.down()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(level)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let level = self.down()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(level)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("repeated member name"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            // No JSON, before as after.
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

    #[test]
    fn bytes_are_those_that_are_written() {
        let every: String = (0..=0xFF).map(char::from).collect();
        let rows = [
            json!(null),
            json!([true, false]),
            json!([0, 7, -7, 10, u64::MAX, i64::MIN, 1.5, 1e300, -0.0]),
            json!(["", "text", &every, "ü", "🦀", "\u{2028}"]),
            json!([[], {}, [[]], [{}]]),
            json!({"a": 1, "": {"\"": ["b", {}]}, "ä\n": null}),
        ];
        // Each by itself too: one that is not plain hides another.
        let alone = every.chars().map(|character| json!(character.to_string()));
        for value in alone.chain(rows) {
            assert_eq!(bytes(&value), value.to_string().len(), "{value}");
        }
    }

    #[test]
    fn lists_of_objects() {
        let rows = [
            ("[]", Ok(0)),
            (r#" [{"a": 1}, {"a": 2}] "#, Ok(2)),
            (r#"[{"a": 1, "a": 2}]"#, Err(())),
            (r#"[["a"]]"#, Err(())),
            ("[1]", Err(())),
            ("{}", Err(())),
            ("[{}] []", Err(())),
        ];
        for (text, expected) in rows {
            let read = objects(text.as_bytes());
            assert_eq!(read.map(|objects| objects.len()).map_err(|_| ()), expected, "{text}");
        }
    }
    #[test]
    fn an_object_is_read_as_it_stands() {
        let text = br#" {"a":[1,-2,2.5,"x",null,true],"b":{"c":{}}} "#;
        let expected = json!({"a": [1, -2, 2.5, "x", null, true], "b": {"c": {}}});
        assert_eq!(object(text).map(Value::Object), Ok(expected));
    }

    #[test]
    fn a_number_is_the_nearest_that_there_is() {
        for text in ["1809999999999999999999999999901", "0.1", "5e-324", "1.7976931348623157e308"] {
            let object = object(format!(r#"{{"n":{text}}}"#).as_bytes()).unwrap();
            assert_eq!(object["n"].as_f64(), Some(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_not_strict_is_refused() {
        let rows: [(&str, &[u8]); 14] = [
            ("empty", b""),
            ("an array", b"[]"),
            ("a string", b"\"{}\""),
            ("repeated name", br#"{"a":1,"a":1}"#),
            ("repeated name, escaped", br#"{"sub":1,"\u0073ub":1}"#),
            ("repeated name below", br#"{"a":[{"b":{"c":1,"c":2}}]}"#),
            ("two values", b"{}{}"),
            ("text after", b"{} x"),
            ("NUL after", b"{}\0"),
            ("past the largest number", br#"{"exp":1e400}"#),
            ("NaN", br#"{"exp":NaN}"#),
            ("trailing comma", br#"{"a":1,}"#),
            ("not UTF-8", b"{\"a\":\"\xff\"}"),
            ("byte order mark", b"\xef\xbb\xbf{}"),
        ];
        for (name, text) in rows {
            assert!(object(text).is_err(), "{name}");
        }
    }

    #[test]
    fn depth_ends() {
        let nested = |levels: usize| {
            format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels)).into_bytes()
        };
        assert!(object(&nested(MAX_DEPTH.into())).is_ok());
        assert!(object(&nested(usize::from(MAX_DEPTH) + 1)).is_err());
        assert!(object(&nested(100_000)).is_err());
    }
}
