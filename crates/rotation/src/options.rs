//! How a deployment changes the steps of a rotation.

use crate::KeyMetadata;
use kms::key_id;

/// How a deployment changes what the steps of a rotation do with the keys. The default is a ring of its own, which no
/// deployment manages.
///
/// ```
/// use countersign_rotation::RotationOptions;
///
/// let retained_key = Some("1234abcd-12ab-34cd-56ef-1234567890ab".to_owned());
/// let options = RotationOptions { retained_key, ..RotationOptions::default() };
/// assert_ne!(options, RotationOptions::default());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RotationOptions {
    /// The id or ARN of the key that a deployment owns. When it is retired, it is disabled but not deleted:
    /// CloudFormation treats a key that is pending deletion as missing. New keys get its key policy, which a
    /// deployment may have changed.
    pub retained_key: Option<String>,
}

impl RotationOptions {
    /// The id of the key that a deployment owns.
    pub(crate) fn retained_key_id(&self) -> Option<&str> {
        self.retained_key.as_deref().map(|key| key_id(key).unwrap_or(key))
    }

    /// The key whose policy the next key gets.
    pub(crate) fn policy_source<'a>(&'a self, current: &'a KeyMetadata) -> &'a str {
        self.retained_key_id().unwrap_or(&current.id)
    }

    /// How many days a key is pending deletion after its retirement. `None`: it is not deleted.
    pub(crate) fn pending_days(&self, key: &KeyMetadata) -> Option<i32> {
        (self.retained_key_id() != Some(key.id.as_str())).then_some(PENDING_DAYS)
    }
}

/// The longest waiting period of KMS: an operator may still need the key.
const PENDING_DAYS: i32 = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyState, key_metadata::EPOCH};

    #[test]
    fn key_of_a_deployment_is_found_by_its_id_or_arn() {
        let arn = "arn:aws:kms:us-east-1:111122223333:key/a";
        let key = |id: &str| KeyMetadata {
            id: id.to_owned(),
            arn: String::new(),
            spec: "RSA_2048".into(),
            state: KeyState::Enabled,
            created: EPOCH,
            is_for_signing: true,
            is_reproducible: true,
        };
        for (retained_key, policy_of_b, days_of_a) in
            [(None, "b", Some(30)), (Some("a"), "a", None), (Some(arn), "a", None)]
        {
            let options = RotationOptions { retained_key: retained_key.map(str::to_owned) };
            assert_eq!(options.policy_source(&key("b")), policy_of_b, "{retained_key:?}");
            assert_eq!(options.pending_days(&key("a")), days_of_a, "{retained_key:?}");
            assert_eq!(options.pending_days(&key("b")), Some(30), "{retained_key:?}");
        }
    }
}
