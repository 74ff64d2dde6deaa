//! The metadata of a key that the rotation needs.

use std::fmt;

use aws_sdk_kms::types::{self, KeySpec, KeyUsageType, OriginType};
use jwt::{Algorithm, UnixTime};

/// The metadata of a key, from `DescribeKey` or `CreateKey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMetadata {
    /// The key id.
    pub id: String,
    /// The key ARN.
    pub arn: String,
    /// The `KeySpec`.
    pub spec: KeySpec,
    /// The `KeyState`.
    pub state: KeyState,
    /// The creation date.
    pub created: UnixTime,
    /// Whether the `KeyUsage` is `SIGN_VERIFY`.
    pub(crate) is_for_signing: bool,
    /// Whether `CreateKey` alone can create another key like it: KMS generated its key material, and it is a
    /// single-Region key.
    pub(crate) is_reproducible: bool,
}

/// The `KeyState` of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// `Enabled`.
    Enabled,
    /// `Disabled`. The key can be enabled again.
    Disabled,
    /// `PendingDeletion`, with the time of the deletion. The deletion can be cancelled until then.
    PendingDeletion(UnixTime),
    /// Another state, such as `PendingImport` or `Unavailable`. Keys that this crate creates are never in it.
    Other,
}

impl KeyMetadata {
    pub(crate) fn from_response(metadata: types::KeyMetadata) -> Self {
        let deletion = metadata.deletion_date.as_ref().map(round_up);
        let state = match (metadata.key_state, deletion) {
            (Some(types::KeyState::Enabled), _) => KeyState::Enabled,
            (Some(types::KeyState::Disabled), _) => KeyState::Disabled,
            (Some(types::KeyState::PendingDeletion), Some(at)) => KeyState::PendingDeletion(at),
            _ => KeyState::Other,
        };
        let is_from_kms = metadata.origin == Some(OriginType::AwsKms);
        Self {
            id: metadata.key_id,
            arn: metadata.arn.unwrap_or_default(),
            spec: metadata.key_spec.unwrap_or_else(|| KeySpec::from("unknown")),
            state,
            created: metadata.creation_date.as_ref().map_or(EPOCH, round_up),
            is_for_signing: metadata.key_usage == Some(KeyUsageType::SignVerify),
            is_reproducible: is_from_kms && metadata.multi_region != Some(true),
        }
    }

    /// The JOSE algorithms of the key. Empty if the key does not sign tokens.
    #[must_use]
    pub fn algorithms(&self) -> &'static [Algorithm] {
        if self.is_for_signing { kms::algorithms(&self.spec) } else { &[] }
    }

    /// The id of the AWS account in the key ARN.
    pub(crate) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion(_) => "PendingDeletion",
            Self::Other => "not Enabled",
        })
    }
}

/// Rounds up to whole seconds, so that no wait from this time ends early.
pub(crate) fn round_up(time: &aws_sdk_kms::primitives::DateTime) -> UnixTime {
    let fraction = i64::from(time.subsec_nanos() > 0);
    UnixTime::from_seconds(u64::try_from(time.secs() + fraction).unwrap_or_default())
}

pub(crate) const EPOCH: UnixTime = UnixTime::from_seconds(0);
