use std::{iter, sync::Arc};

use crate::Key;

/// The keys whose tokens are good, and which of them signs.
#[derive(Debug, Clone)]
pub struct Ring {
    /// The key that signs.
    pub current: Arc<Key>,
    /// The key that is published and will sign.
    pub next: Option<Arc<Key>>,
    /// The key that has signed, and whose tokens still live.
    pub previous: Option<Arc<Key>>,
}

impl Ring {
    /// The key of this id. A token that names none can only be the signing key's.
    #[must_use]
    pub fn find(&self, key_id: Option<&str>) -> Option<&Arc<Key>> {
        let Some(key_id) = key_id else { return Some(&self.current) };
        self.keys().find(|key| key.id == key_id)
    }

    /// Every key that is trusted, the one that signs first.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        // In the middle of a rotation two aliases may point at one key.
        let next = self.next.as_ref().filter(|key| key.id != self.current.id);
        let known = |id: &str| id == self.current.id || next.is_some_and(|key| key.id == id);
        let previous = self.previous.as_ref().filter(|key| !known(&key.id));
        iter::once(&self.current).chain(next).chain(previous)
    }
}

#[cfg(test)]
mod tests {
    use jwt::Algorithm;

    use super::*;
    use crate::key::tests::key;

    #[test]
    fn a_key_under_two_aliases_is_one_key() {
        let key = |id: &str| key(id, Algorithm::Rs256);
        let rows = [
            (["a", "b", "c"], vec!["a", "b", "c"]),
            (["a", "a", "c"], vec!["a", "c"]),
            (["a", "b", "a"], vec!["a", "b"]),
            (["a", "b", "b"], vec!["a", "b"]),
            (["a", "a", "a"], vec!["a"]),
        ];
        for ([current, next, previous], expected) in rows {
            let (next, previous) = (Some(key(next)), Some(key(previous)));
            let ring = Ring { current: key(current), next, previous };
            assert_eq!(ring.keys().map(|key| &*key.id).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_key_is_found_by_its_id_alone() {
        let key = |id| key(id, Algorithm::Rs256);
        let (next, previous) = (Some(key("next")), Some(key("previous")));
        let ring = Ring { current: key("current"), next, previous };
        let rows = [
            ("none", None, Some("current")),
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
