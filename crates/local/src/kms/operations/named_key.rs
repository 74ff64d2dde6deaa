//! The key that a request names, in a state that the operation allows.

use crate::kms::{
    error::KmsError,
    input::Input,
    store::{Store, StoredKey, StoredKeyState},
};

/// The key that the request names by id or ARN, unless its deletion is pending.
pub(crate) fn find_mutable<'a>(
    store: &'a mut Store,
    input: &Input,
) -> Result<&'a mut StoredKey, KmsError> {
    let name = input.required("KeyId")?;
    let arn = store.key_arn(&store.find_key(name)?.id);
    let key = store.find_key_mut(name)?;
    if matches!(key.state, StoredKeyState::PendingDeletion { .. }) {
        let message = format!("{arn} is pending deletion.");
        return Err(KmsError::new("KMSInvalidStateException", message));
    }
    Ok(key)
}

/// Checks that a key is enabled.
pub(crate) fn require_enabled(key: &StoredKey, arn: &str) -> Result<(), KmsError> {
    match key.state {
        StoredKeyState::Enabled => Ok(()),
        StoredKeyState::Disabled => {
            Err(KmsError::new("DisabledException", format!("{arn} is disabled.")))
        }
        StoredKeyState::PendingDeletion { .. } => {
            Err(KmsError::new("KMSInvalidStateException", format!("{arn} is pending deletion.")))
        }
    }
}
