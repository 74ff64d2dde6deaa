//! The keys of a ring.

use std::{iter, sync::Arc};

use crate::Key;

/// The trusted keys, and which of them signs.
#[derive(Debug, Clone)]
pub struct Ring {
    /// The key under `alias/NAME`, which signs.
    pub current: Arc<Key>,
    /// The key under `alias/NAME-next`, which is published and will sign.
    pub next: Option<Arc<Key>>,
    /// The key under `alias/NAME-previous`, which has signed; its tokens may not have expired.
    pub previous: Option<Arc<Key>>,
}

impl Ring {
    /// The key with this id. For `None`, a token without `kid`, the current key.
    #[must_use]
    pub fn find(&self, key_id: Option<&str>) -> Option<&Arc<Key>> {
        let Some(key_id) = key_id else { return Some(&self.current) };
        self.keys().find(|key| key.id == key_id)
    }

    /// Every trusted key once, the current key first.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        // Several aliases may point at one key.
        let next = self.next.as_ref().filter(|key| key.id != self.current.id);
        let is_listed = |id: &str| id == self.current.id || next.is_some_and(|key| key.id == id);
        let previous = self.previous.as_ref().filter(|key| !is_listed(&key.id));
        iter::once(&self.current).chain(next).chain(previous)
    }
}

#[cfg(test)]
mod tests {
    use jwt::Algorithm;

    use super::*;
    use crate::key::tests::key;

    #[test]
    fn key_under_several_aliases_is_listed_once() {
        let key = |id: &str| key(id, Algorithm::Rs256);
        let rows = [
            ("three keys", ["a", "b", "c"], vec!["a", "b", "c"]),
            ("next is current", ["a", "a", "c"], vec!["a", "c"]),
            ("previous is current", ["a", "b", "a"], vec!["a", "b"]),
            ("previous is next", ["a", "b", "b"], vec!["a", "b"]),
            ("one key", ["a", "a", "a"], vec!["a"]),
        ];
        for (name, [current, next, previous], expected) in rows {
            let (next, previous) = (Some(key(next)), Some(key(previous)));
            let ring = Ring { current: key(current), next, previous };
            let ids: Vec<_> = ring.keys().map(|key| &*key.id).collect();
            assert_eq!(ids, expected, "{name}");
        }
    }

    #[test]
    fn key_is_found_only_by_its_id() {
        let key = |id| key(id, Algorithm::Rs256);
        let (next, previous) = (Some(key("next")), Some(key("previous")));
        let ring = Ring { current: key("current"), next, previous };
        let rows = [
            ("no key id", None, Some("current")),
            ("current", Some("current"), Some("current")),
            ("next", Some("next"), Some("next")),
            ("previous", Some("previous"), Some("previous")),
            ("unknown", Some("other"), None),
            ("empty", Some(""), None),
            ("an ARN", Some("arn:aws:kms:us-east-1:1:key/current"), None),
            ("an alias", Some("alias/current"), None),
        ];
        for (name, key_id, expected) in rows {
            assert_eq!(ring.find(key_id).map(|key| &*key.id), expected, "{name}");
        }
    }
}
