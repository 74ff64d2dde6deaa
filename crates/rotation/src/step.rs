//! The steps of a rotation.

use aws_sdk_kms::types::KeySpec;

use crate::KeyMetadata;

/// A step of a rotation. Each step ends in one move of an alias, so that an interrupted step can be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the missing `-next` and `-previous`, both at the current key, given here.
    Complete(KeyMetadata),
    /// Create a key with this `KeySpec` and point `-next` at it.
    Prepare(KeySpec),
    /// Point `alias/NAME` at the next key, given here.
    Promote(KeyMetadata),
    /// Disable the previous key, given here, schedule its deletion, and point `-previous` at the current key.
    Retire(KeyMetadata),
}

impl Step {
    /// The stable name of the step in logs and on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Complete(_) => "complete",
            Self::Prepare(_) => "prepare",
            Self::Promote(_) => "promote",
            Self::Retire(_) => "retire",
        }
    }
}
