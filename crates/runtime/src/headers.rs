use std::{borrow::Cow, fmt};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// The headers of a request in an event, whatever stands in them: null, numbers, names in any case.
/// What is not text is passed over, and does not make the event unreadable.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Headers<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Headers<'_> {
    /// Every value of every header of this name, in whatever case it is written.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &**value)
    }

    /// Every value of all of them.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, value)| &**value)
    }
}

/// A text, several of them, or none: what is not text is passed over.
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
        // About as many as there are: it need not grow step by step.
        let mut headers = Vec::with_capacity(16);
        let mut add = |name: &Cow<'de, str>, value| headers.push((name.clone(), value));
        deserializer.deserialize_any(Level::Members(&mut add))?;
        Ok(Self(headers))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = Vec::new();
        deserializer.deserialize_any(Level::Value(&mut |text| texts.push(text)))?;
        Ok(Self(texts))
    }
}

/// What is taken from a value, by where it stands. Read without a copy: an event is mostly headers.
enum Level<'f, 'de> {
    /// An object's members, each with its texts.
    Members(&'f mut dyn FnMut(&Cow<'de, str>, Cow<'de, str>)),
    /// A text, or a list's items.
    Value(&'f mut dyn FnMut(Cow<'de, str>)),
    /// A text.
    Item(&'f mut dyn FnMut(Cow<'de, str>)),
}

impl<'de> DeserializeSeed<'de> for Level<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
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
            while items.next_element_seed(Level::Item(add))?.is_some() {}
        } else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if let Self::Members(add) = self {
            let mut name = Cow::default();
            while members.next_key_seed(Level::Item(&mut |text| name = text))?.is_some() {
                members.next_value_seed(Level::Value(&mut |value| add(&name, value)))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_is_passed_over() {
        let event = r#"{"a": "1", "A": ["2", "\u0033", 4, ["5"], {"6": "7"}, null], "b": 8,
            "c": {"a": "9"}, "d": null, "\u0061": "x", "e": true, "f": -1.5, "g": [], "": "y"}"#;
        let headers: Headers<'_> = serde_json::from_str(event).unwrap();
        assert_eq!(headers.values("a").collect::<Vec<_>>(), ["1", "2", "3", "x"]);
        assert_eq!(headers.all().collect::<Vec<_>>(), ["1", "2", "3", "x", "y"]);
        for nothing in ["null", "[]", r#"["a"]"#, "1", "-1", "1.5", "true", r#""a""#, "{}"] {
            let headers: Headers<'_> = serde_json::from_str(nothing).unwrap();
            assert_eq!(headers, Headers::default(), "{nothing}");
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
