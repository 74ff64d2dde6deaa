use std::fmt;

use crate::KeyMetadata;

/// A key with the ring's tag and without an alias, which an interrupted run may have created. Its `Display`
/// says what to do about it.
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
             shows no use of it, `aws kms disable-key --key-id {id}` takes it out of service"
        )
    }
}
