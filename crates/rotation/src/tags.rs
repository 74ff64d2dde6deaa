//! The tags of the keys of a ring.

use aws_sdk_kms::types::Tag;

use crate::RingName;
use kms::{Cause, Fault};

/// The key of a tag, and its value in a ring.
type OwnTag = (&'static str, fn(&RingName) -> &str);

/// The tags that the rotation sets. All other tags are copied from the key that a new one replaces. The rotator's role
/// must allow each of them (`aws:TagKeys` in `template.yaml`).
const OWN_TAGS: &[OwnTag] = &[(RING_TAG, RingName::current)];

/// The key of the tag of a ring's keys. The value is the ring's alias.
const RING_TAG: &str = "countersign:ring";

/// The tags that the rotation sets on a new key of the ring.
pub(super) fn own_tags(ring: &RingName) -> Result<Vec<Tag>, Fault> {
    let tags = OWN_TAGS
        .iter()
        .map(|(key, value)| Tag::builder().tag_key(*key).tag_value(value(ring)).build());
    tags.collect::<Result<_, _>>().map_err(|_| Fault::new("CreateKey", Cause::Refused))
}

/// Whether the rotation sets this tag. The value of another key must not be copied.
pub(super) fn is_own_tag(tag: &Tag) -> bool {
    OWN_TAGS.iter().any(|(key, _)| tag.tag_key == *key)
}

/// Whether this is the tag of the ring's keys.
pub(super) fn has_ring_tag(tag: &Tag, ring: &RingName) -> bool {
    tag.tag_key == RING_TAG && tag.tag_value == ring.current()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_that_the_rotation_sets_are_own() {
        let ring: RingName = "alias/a".parse().unwrap();
        let own = own_tags(&ring).unwrap();
        assert!(own.iter().any(|tag| has_ring_tag(tag, &ring)), "{own:?}");
        assert!(own.iter().all(is_own_tag), "{own:?}");
        for (key, value, is_own) in [
            ("countersign:ring", "alias/another", true),
            ("countersign:other", "alias/a", false),
            ("Countersign:ring", "alias/a", false),
            ("environment", "test", false),
        ] {
            let tag = Tag::builder().tag_key(key).tag_value(value).build().unwrap();
            assert_eq!(is_own_tag(&tag), is_own, "{key}");
            assert!(!has_ring_tag(&tag, &ring), "{key}");
        }
    }
}
