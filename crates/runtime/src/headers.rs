//! The headers of a request in an API Gateway event.

use std::{borrow::Cow, fmt};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// The headers of a request in an event: an object whose values are strings or lists of strings. Any other JSON value is
/// ignored, so that it does not make the event malformed.
///
/// ```
/// use countersign_runtime::Headers;
///
/// # fn main() -> Result<(), serde_json::Error> {
/// let headers: Headers<'_> =
///     serde_json::from_str(r#"{"Accept": ["text/html", "*/*"], "X-Count": 1}"#)?;
/// assert_eq!(headers.values("accept").collect::<Vec<_>>(), ["text/html", "*/*"]);
/// assert_eq!(headers.values("x-count").count(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Headers<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Headers<'_> {
    /// The values of all headers with this name, compared without regard to case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(header, _)| header.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &**value)
    }

    /// The values of all headers.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, value)| &**value)
    }
}

/// A string or a list of strings in an event. Any other JSON value is ignored.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Texts<'a>(pub Vec<Cow<'a, str>>);

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers").finish_non_exhaustive()
    }
}

impl fmt::Debug for Texts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Headers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut headers = Vec::with_capacity(TYPICAL_HEADERS);
        let mut add = |name: &Cow<'de, str>, value| headers.push((name.clone(), value));
        deserializer.deserialize_any(JsonPosition::Headers(&mut add))?;
        Ok(Self(headers))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = Vec::new();
        deserializer.deserialize_any(JsonPosition::Value(&mut |text| texts.push(text)))?;
        Ok(Self(texts))
    }
}

/// The position of a JSON value, which determines how it is read. The callbacks get borrowed strings, because headers
/// are the largest part of an event.
enum JsonPosition<'f, 'de> {
    /// The object of headers: each member is a header with its values.
    Headers(&'f mut dyn FnMut(&Cow<'de, str>, Cow<'de, str>)),
    /// The value of a header: a string or a list.
    Value(&'f mut dyn FnMut(Cow<'de, str>)),
    /// An item of a list, or the name of a header: a string.
    Item(&'f mut dyn FnMut(Cow<'de, str>)),
}

impl<'de> DeserializeSeed<'de> for JsonPosition<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonPosition<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        if let Self::Value(add) | Self::Item(add) = self {
            add(Cow::Borrowed(text));
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if let Self::Value(add) | Self::Item(add) = self {
            add(Cow::Owned(text.to_owned()));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let Self::Value(add) = self {
            while items.next_element_seed(JsonPosition::Item(add))?.is_some() {}
        } else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if let Self::Headers(add) = self {
            let mut name = Cow::default();
            while members.next_key_seed(JsonPosition::Item(&mut |text| name = text))?.is_some() {
                members.next_value_seed(JsonPosition::Value(&mut |value| add(&name, value)))?;
            }
        } else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

/// Avoids reallocations for a typical request.
const TYPICAL_HEADERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_strings_are_ignored() {
        let event = r#"{"a": "1", "A": ["2", "\u0033", 4, ["5"], {"6": "7"}, null], "b": 8,
            "c": {"a": "9"}, "d": null, "\u0061": "x", "e": true, "f": -1.5, "g": [], "": "y"}"#;
        let headers: Headers<'_> = serde_json::from_str(event).unwrap();
        assert_eq!(headers.values("a").collect::<Vec<_>>(), ["1", "2", "3", "x"]);
        assert_eq!(headers.all().collect::<Vec<_>>(), ["1", "2", "3", "x", "y"]);
        for no_object in ["null", "[]", r#"["a"]"#, "1", "-1", "1.5", "true", r#""a""#, "{}"] {
            let headers: Headers<'_> = serde_json::from_str(no_object).unwrap();
            assert_eq!(headers, Headers::default(), "{no_object}");
        }
        let rows: [(&str, &[&str]); 6] = [
            (r#""a""#, &["a"]),
            (r#"["a", 1, "b", ["c"]]"#, &["a", "b"]),
            (r#"{"a": "b"}"#, &[]),
            ("null", &[]),
            ("[]", &[]),
            ("1", &[]),
        ];
        for (text, expected) in rows {
            let texts: Texts<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(texts.0, expected, "{text}");
        }
    }
}
