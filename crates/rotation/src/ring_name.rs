//! The name of a ring and its three aliases.

use std::{fmt, str::FromStr};

use kms::KeyName;

/// The name of a ring that can be rotated: an alias name with room for the suffixes of the other two aliases.
///
/// ```
/// use countersign_rotation::RingName;
///
/// let ring: RingName = "alias/countersign".parse()?;
/// assert_eq!(ring.next(), "alias/countersign-next");
/// assert_eq!(ring.previous(), "alias/countersign-previous");
/// # Ok::<(), countersign_rotation::RingNameError>(())
/// ```
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

    /// The name as a [`KeyName`], for a [`kms::Keyring`].
    #[must_use]
    pub const fn as_key_name(&self) -> &KeyName {
        &self.0
    }
}

impl FromStr for RingName {
    type Err = RingNameError;

    fn from_str(text: &str) -> Result<Self, RingNameError> {
        let name: KeyName = text.parse().map_err(|_| RingNameError::NotAnAlias)?;
        if !text.starts_with("alias/") || text.starts_with("alias/aws/") {
            return Err(RingNameError::NotAnAlias);
        }
        if text.ends_with(NEXT) || text.ends_with(PREVIOUS) {
            return Err(RingNameError::ReservedSuffix);
        }
        if text.len() > MAX_ALIAS_BYTES - PREVIOUS.len() {
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

/// The text is not a [`RingName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingNameError {
    /// It is not an alias name, or it is the alias of an AWS managed key. A key id has no other aliases.
    #[error("must be alias/ and a name of letters, digits, /, _ and -, not alias/aws/")]
    NotAnAlias,
    /// It has the suffix of another ring's alias.
    #[error("must not end in -next or -previous, which are suffixes of a ring's other aliases")]
    ReservedSuffix,
    /// With the longest suffix, the alias would be too long.
    #[error("must have at most 247 characters, to leave room for -previous")]
    TooLong,
}

pub(crate) const NEXT: &str = "-next";
pub(crate) const PREVIOUS: &str = "-previous";
/// AWS KMS API Reference, `AliasName`.
const MAX_ALIAS_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_name_is_an_alias_with_room_for_suffixes() {
        let (longest, longer) =
            (format!("alias/{}", "a".repeat(241)), format!("alias/{}", "a".repeat(242)));
        let rows = [
            ("alias/countersign", Ok(())),
            ("alias/team/countersign_2", Ok(())),
            (&*longest, Ok(())),
            (&*longer, Err(RingNameError::TooLong)),
            ("alias/countersign-next", Err(RingNameError::ReservedSuffix)),
            ("alias/countersign-previous", Err(RingNameError::ReservedSuffix)),
            ("countersign", Err(RingNameError::NotAnAlias)),
            ("alias/aws/kms", Err(RingNameError::NotAnAlias)),
            ("alias/a b", Err(RingNameError::NotAnAlias)),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", Err(RingNameError::NotAnAlias)),
            ("arn:aws:kms:us-east-1:111122223333:alias/a", Err(RingNameError::NotAnAlias)),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<RingName>().map(|_| ()), expected, "{text}");
        }
    }
}
