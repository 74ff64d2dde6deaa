//! Keys that interrupted runs may have created.

use std::fmt;

use crate::KeyMetadata;

/// An enabled key with the ring's tag and without an alias, which an interrupted run may have created. Its `Display`
/// tells the operator what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The key.
    pub key: KeyMetadata,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.key.id;
        write!(
            f,
            "{id} has the ring's tag and no alias: an interrupted run may have created it. If CloudTrail \
             shows no use of it, disable it with `aws kms disable-key --key-id {id}`"
        )
    }
}
