use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, de::IgnoredAny};

/// The headers of a request in an event, whatever stands in them: null, numbers, names in any case.
/// What is not text is passed over, and does not make the event unreadable.
#[derive(Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Map")]
pub struct Headers(BTreeMap<String, Vec<String>>);

impl Headers {
    /// Every value of every header of this name, in whatever case it is written.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.flat_map(|(_, values)| values).map(String::as_str)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Map {
    Members(BTreeMap<String, Member>),
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
        let Map::Members(members) = map else { return Self::default() };
        let values = |member| match member {
            Member::Text(value) => vec![value],
            Member::Several(items) => {
                let text = |item| if let Item::Text(value) = item { Some(value) } else { None };
                items.into_iter().filter_map(text).collect()
            }
            Member::Other(_) => Vec::new(),
        };
        Self(members.into_iter().map(|(name, member)| (name, values(member))).collect())
    }
}
