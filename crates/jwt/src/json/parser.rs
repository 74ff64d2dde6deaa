use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::{JsonError, MAX_DEPTH};

/// Reads one object.
///
/// Integers that need more than 64 bits become the nearest `f64`.
///
/// # Errors
/// [`JsonError::NotStrict`] and [`JsonError::NotAnObject`].
pub fn object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match read(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Reads one array of objects.
///
/// # Errors
/// [`JsonError::NotStrict`] and [`JsonError::NotObjects`].
pub fn objects(text: &[u8]) -> Result<Vec<Map<String, Value>>, JsonError> {
    let Value::Array(items) = read(text)? else { return Err(JsonError::NotObjects) };
    let object = |item| match item {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::NotObjects),
    };
    items.into_iter().map(object).collect()
}

fn read(text: &[u8]) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = StrictValue { levels_left: MAX_DEPTH }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    value.map_err(|error| JsonError::NotStrict { line: error.line(), column: error.column() })
}

/// Reads a [`Value`] of at most this many levels. The reader of `serde_json` would keep the last of
/// two equal member names.
#[derive(Clone, Copy)]
struct StrictValue {
    levels_left: u8,
}

impl StrictValue {
    /// For the elements of an object or array.
    fn nested<E: Error>(self) -> Result<Self, E> {
        let levels_left = self.levels_left.checked_sub(1);
        let levels_left = levels_left.ok_or_else(|| E::custom("too many levels"))?;
        Ok(Self { levels_left })
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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
        let element = self.nested()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(element)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let element = self.nested()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(element)?;
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
    fn only_arrays_of_objects_are_read() {
        let rows = [
            ("[]", Ok(0)),
            (r#" [{"a": 1}, {"a": 2}] "#, Ok(2)),
            (r#"[{"a": 1, "a": 2}]"#, Err(JsonError::NotStrict { line: 1, column: 17 })),
            (r#"[["a"]]"#, Err(JsonError::NotObjects)),
            ("[1]", Err(JsonError::NotObjects)),
            ("{}", Err(JsonError::NotObjects)),
            ("[{}] []", Err(JsonError::NotStrict { line: 1, column: 6 })),
            ("[\n{}]\n []", Err(JsonError::NotStrict { line: 3, column: 2 })),
        ];
        for (text, expected) in rows {
            let count = objects(text.as_bytes()).map(|objects| objects.len());
            assert_eq!(count, expected, "{text}");
        }
    }

    #[test]
    fn object_is_read_with_all_its_values() {
        let text = br#" {"a":[1,-2,2.5,"x",null,true],"b":{"c":{}}} "#;
        let expected = json!({"a": [1, -2, 2.5, "x", null, true], "b": {"c": {}}});
        assert_eq!(object(text).map(Value::Object), Ok(expected));
    }

    #[test]
    fn number_is_read_as_the_nearest_f64() {
        for text in ["1809999999999999999999999999901", "0.1", "5e-324", "1.7976931348623157e308"] {
            let object = object(format!(r#"{{"n":{text}}}"#).as_bytes()).unwrap();
            assert_eq!(object["n"].as_f64(), Some(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_strict_object_is_refused() {
        let rows: [(&str, &[u8]); 14] = [
            ("empty text", b""),
            ("array", b"[]"),
            ("string", b"\"{}\""),
            ("repeated name", br#"{"a":1,"a":1}"#),
            ("repeated name with an escape", br#"{"sub":1,"\u0073ub":1}"#),
            ("repeated name in a nested object", br#"{"a":[{"b":{"c":1,"c":2}}]}"#),
            ("two values", b"{}{}"),
            ("text after the object", b"{} x"),
            ("NUL after the object", b"{}\0"),
            ("number out of range", br#"{"exp":1e400}"#),
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
    fn nesting_over_the_limit_is_refused() {
        let nested = |levels: usize| {
            format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels)).into_bytes()
        };
        assert!(object(&nested(MAX_DEPTH.into())).is_ok());
        assert!(object(&nested(usize::from(MAX_DEPTH) + 1)).is_err());
        assert!(object(&nested(100_000)).is_err());
    }
}
