use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, de::IgnoredAny};

/// The headers of a request in an event, whatever stands in them: null, numbers, names in any case.
/// What is not text is passed over, and does not make the event unreadable.
#[derive(Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Map")]
pub struct Headers(BTreeMap<String, Texts>);

impl Headers {
    /// Every value of every header of this name, in whatever case it is written.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.flat_map(|(_, values)| &values.0).map(String::as_str)
    }

    /// Every value of all of them.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(|values| &values.0).map(String::as_str)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers").finish_non_exhaustive()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

/// A text, several of them, or none: what is not text is passed over.
#[derive(Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Member")]
pub struct Texts(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Map {
    Members(BTreeMap<String, Texts>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    Text(String),
    Several(Vec<Item>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Text(String),
    Other(IgnoredAny),
}

impl From<Map> for Headers {
    fn from(map: Map) -> Self {
        match map {
            Map::Members(members) => Self(members),
            Map::Other(_) => Self::default(),
        }
    }
}

impl From<Member> for Texts {
    fn from(member: Member) -> Self {
        Self(match member {
            Member::Text(text) => vec![text],
            Member::Several(items) => {
                let text = |item| if let Item::Text(text) = item { Some(text) } else { None };
                items.into_iter().filter_map(text).collect()
            }
            Member::Other(_) => Vec::new(),
        })
    }
}
