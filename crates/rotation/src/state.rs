use std::{fmt, str::FromStr};

use aws_sdk_kms::types::{self, KeySpec, KeyUsageType, OriginType};
use jwt::{Algorithm, UnixTime};

use crate::{Obstacle, RotationError, RotationTiming, Step};
use kms::{KeyName, algorithms};

/// A ring's three aliases, as one look at KMS showed them. It may have been minutes behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingState {
    /// `alias/NAME`: the key that signs.
    pub current: AliasTarget,
    /// `alias/NAME-next`.
    pub next: Option<AliasTarget>,
    /// `alias/NAME-previous`.
    pub previous: Option<AliasTarget>,
}

impl RingState {
    /// The key that a rollback makes the signing key again.
    ///
    /// # Errors
    /// When the ring was not promoted since its last retirement, when the previous key cannot sign, and when
    /// another run may be about to retire it.
    pub fn rollback_target(
        &self,
        now: UnixTime,
        timing: &RotationTiming,
    ) -> Result<&KeyMetadata, RotationError> {
        let Self { current, next: Some(next), previous: Some(previous) } = self else {
            return Err(RotationError::NotPromoted);
        };
        if next.key.id != current.key.id || previous.key.id == current.key.id {
            return Err(RotationError::NotPromoted);
        }
        // A run may act on a state from before the rollback for as long as an alias is seen late.
        let retirement = current.since.max(previous.since).after(timing.retirement());
        if now.after(timing.propagation()) >= retirement {
            return Err(RotationError::RetirementDue);
        }
        match previous.key.state {
            KeyState::Enabled => Ok(&previous.key),
            state => {
                let id = previous.key.id.clone();
                Err(Obstacle::State { alias: "-previous", id, state }.into())
            }
        }
    }

    /// The state once this step is done, which was about this key, and is seen everywhere.
    #[must_use]
    pub fn after(self, step: &Step, key: &KeyMetadata, now: UnixTime) -> Self {
        let place = |key: &KeyMetadata| Some(AliasTarget { key: key.clone(), since: now });
        match step {
            Step::Complete(current) => Self {
                next: self.next.or_else(|| place(current)),
                previous: self.previous.or_else(|| place(current)),
                ..self
            },
            Step::Prepare(_) => Self { next: place(key), ..self },
            Step::Promote(_) => {
                Self { current: AliasTarget { key: key.clone(), since: now }, ..self }
            }
            Step::Retire(_) => Self { previous: place(&self.current.key), ..self },
        }
    }
}

/// An alias, and the key that it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasTarget {
    /// The key.
    pub key: KeyMetadata,
    /// Since when the alias points at it.
    pub since: UnixTime,
}

/// What KMS says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMetadata {
    /// The key id.
    pub id: String,
    /// The key ARN.
    pub arn: String,
    /// The `KeySpec`.
    pub spec: KeySpec,
    /// Whether it can be used.
    pub state: KeyState,
    /// Since when there is this key.
    pub created: UnixTime,
    /// Whether it is for `SIGN_VERIFY`.
    pub(crate) signs: bool,
    /// Whether another can be made like it with no more than a call.
    pub(crate) plain: bool,
}

/// A `KeyState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// In use.
    Enabled,
    /// Switched off, and can be switched on again.
    Disabled,
    /// Deleted at this time, unless somebody has a change of mind.
    PendingDeletion(UnixTime),
    /// Something that no key of this project gets into by itself.
    Other,
}

impl KeyMetadata {
    pub(crate) fn read(metadata: types::KeyMetadata) -> Self {
        let deletion = metadata.deletion_date.as_ref().map(round_up);
        let state = match (metadata.key_state, deletion) {
            (Some(types::KeyState::Enabled), _) => KeyState::Enabled,
            (Some(types::KeyState::Disabled), _) => KeyState::Disabled,
            (Some(types::KeyState::PendingDeletion), Some(at)) => KeyState::PendingDeletion(at),
            _ => KeyState::Other,
        };
        let own = metadata.origin == Some(OriginType::AwsKms);
        Self {
            id: metadata.key_id,
            arn: metadata.arn.unwrap_or_default(),
            spec: metadata.key_spec.unwrap_or_else(|| KeySpec::from("unknown")),
            state,
            created: metadata.creation_date.as_ref().map_or(EPOCH, round_up),
            signs: metadata.key_usage == Some(KeyUsageType::SignVerify),
            plain: own && metadata.multi_region != Some(true),
        }
    }

    /// What tokens it can sign; nothing for a key that is not for them.
    #[must_use]
    pub fn algorithms(&self) -> &'static [Algorithm] {
        if self.signs { algorithms(&self.spec) } else { &[] }
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

/// A time with a fraction as the next whole second: what timing for it must not be early.
pub(crate) fn round_up(time: &aws_sdk_kms::primitives::DateTime) -> UnixTime {
    let fraction = i64::from(time.subsec_nanos() > 0);
    UnixTime::from_seconds(u64::try_from(time.secs() + fraction).unwrap_or_default())
}

pub(crate) const EPOCH: UnixTime = UnixTime::from_seconds(0);

/// The name of a ring that can be rotated: an alias, with room for two more beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingName(KeyName);

impl RingName {
    /// `alias/NAME`.
    #[must_use]
    pub fn current(&self) -> &str {
        self.0.as_str()
    }

    /// `alias/NAME-next`.
    #[must_use]
    pub fn next(&self) -> String {
        format!("{}{NEXT}", self.current())
    }

    /// `alias/NAME-previous`.
    #[must_use]
    pub fn previous(&self) -> String {
        format!("{}{PREVIOUS}", self.current())
    }

    /// The name as `KEY_ALIAS` has it.
    #[must_use]
    pub const fn as_key_name(&self) -> &KeyName {
        &self.0
    }
}

impl FromStr for RingName {
    type Err = RingNameError;

    fn from_str(text: &str) -> Result<Self, RingNameError> {
        let name: KeyName = text.parse().map_err(|_| RingNameError::NoAlias)?;
        if !text.starts_with("alias/") || text.starts_with("alias/aws/") {
            return Err(RingNameError::NoAlias);
        }
        if text.ends_with(NEXT) || text.ends_with(PREVIOUS) {
            return Err(RingNameError::Beside);
        }
        if text.len() > MAX_ALIAS - PREVIOUS.len() {
            return Err(RingNameError::TooLong);
        }
        Ok(Self(name))
    }
}

impl fmt::Display for RingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.current())
    }
}

/// Why a name is not that of a ring that can be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingNameError {
    /// A key by its id has none beside it.
    #[error("must be alias/ and a name of letters, digits, /, _ and -, not alias/aws/")]
    NoAlias,
    /// It is one of another ring's three.
    #[error("must not end in -next or -previous, which stand beside a ring's own alias")]
    Beside,
    /// There would be no alias beside it.
    #[error("must have at most 247 characters, so that there is room for -previous")]
    TooLong,
}

pub(crate) const NEXT: &str = "-next";
pub(crate) const PREVIOUS: &str = "-previous";
/// AWS KMS API reference, `AliasName`.
const MAX_ALIAS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rings() {
        let (longest, longer) =
            (format!("alias/{}", "a".repeat(241)), format!("alias/{}", "a".repeat(242)));
        let rows = [
            ("alias/countersign", Ok(())),
            ("alias/team/countersign_2", Ok(())),
            (&*longest, Ok(())),
            (&*longer, Err(RingNameError::TooLong)),
            ("alias/countersign-next", Err(RingNameError::Beside)),
            ("alias/countersign-previous", Err(RingNameError::Beside)),
            ("countersign", Err(RingNameError::NoAlias)),
            ("alias/aws/kms", Err(RingNameError::NoAlias)),
            ("alias/a b", Err(RingNameError::NoAlias)),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", Err(RingNameError::NoAlias)),
            ("arn:aws:kms:us-east-1:111122223333:alias/a", Err(RingNameError::NoAlias)),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<RingName>().map(|_| ()), expected, "{text}");
        }
    }
}
