//! The name under which a ring or key is configured.

use std::{fmt, str::FromStr};

/// The name of a key in KMS: an alias name (`alias/NAME`), a key id, or the ARN of either.
///
/// An alias name or alias ARN names a ring of three aliases: `alias/NAME`, `alias/NAME-next` and
/// `alias/NAME-previous`. A key id or key ARN names a ring of that one key.
///
/// ```
/// use countersign_kms::KeyName;
///
/// let name: KeyName = "alias/countersign".parse()?;
/// assert_eq!(name.as_str(), "alias/countersign");
/// assert!("alias/two words".parse::<KeyName>().is_err());
/// # Ok::<(), countersign_kms::InvalidKeyName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

/// The text is not a [`KeyName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be alias/NAME, a key id, or the ARN of an alias or key")]
pub struct InvalidKeyName;

impl KeyName {
    /// The name, as sent to KMS.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The alias of the same ring with this suffix, such as `alias/NAME-next`. `None` if this is not an alias.
    pub(crate) fn neighbor(&self, suffix: &str) -> Option<Self> {
        let name = self.0.rsplit(':').next().filter(|name| name.starts_with("alias/"));
        name.map(|_| Self(format!("{}{suffix}", self.0)))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyName;

    fn from_str(text: &str) -> Result<Self, InvalidKeyName> {
        let is_name = |text: &str, punctuation: &str| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || punctuation.contains(c);
            !text.is_empty() && text.len() <= MAX_BYTES && text.chars().all(is_allowed)
        };
        let is_valid = match text.split_once('/') {
            Some(("alias", name)) => is_name(name, "/_-"),
            Some((arn, name)) if arn.starts_with("arn:") => {
                is_name(arn, ":-") && is_name(name, "/_-")
            }
            _ => is_name(text, "-"),
        };
        if is_valid { Ok(Self(text.to_owned())) } else { Err(InvalidKeyName) }
    }
}

/// AWS KMS API Reference, `AliasName`.
const MAX_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_name_is_an_alias_a_key_id_or_an_arn() {
        let rows = [
            ("alias/countersign", true),
            ("alias/team/countersign_2", true),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("mrk-1234abcd12ab34cd56ef1234567890ab", true),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/countersign", true),
            ("alias/", false),
            ("", false),
            ("alias/a b", false),
            ("countersign/alias", false),
            ("arn:aws:kms:us-east-1:111122223333:key/", false),
            ("alias/a'; DROP TABLE keys", false),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<KeyName>().is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn neighbor_of_an_alias_has_the_suffix() {
        let arn = "arn:aws:kms:us-east-1:111122223333";
        let rows = [
            ("alias/a", Some("alias/a-next".to_owned())),
            (&format!("{arn}:alias/a/b"), Some(format!("{arn}:alias/a/b-next"))),
            (&format!("{arn}:key/alias"), None),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", None),
        ];
        for (name, expected) in rows {
            let name: KeyName = name.parse().unwrap();
            let neighbor = name.neighbor("-next").map(|neighbor| neighbor.0);
            assert_eq!(neighbor, expected, "{name}");
        }
    }
}
