//! The operations of the KMS API. Each is declared in the file that performs it.

mod aliases;
pub(crate) mod grants;
mod key_policies;
mod keys;
mod named_key;
mod operation;
mod signing;
mod tags;

use std::sync::Mutex;

use serde_json::Value;

use self::operation::Perform;
use super::{
    error::KmsError,
    input::Input,
    store::{Store, lock},
};

pub(crate) use self::operation::{KmsOperation, Resource};

/// All operations. Any other operation is unknown.
pub(crate) const OPERATIONS: [&KmsOperation; 23] = [
    &aliases::CREATE_ALIAS,
    &aliases::DELETE_ALIAS,
    &aliases::LIST_ALIASES,
    &aliases::UPDATE_ALIAS,
    &grants::CREATE_GRANT,
    &grants::LIST_GRANTS,
    &grants::LIST_RETIRABLE_GRANTS,
    &grants::RETIRE_GRANT,
    &grants::REVOKE_GRANT,
    &key_policies::GET_KEY_POLICY,
    &key_policies::PUT_KEY_POLICY,
    &keys::CANCEL_KEY_DELETION,
    &keys::CREATE_KEY,
    &keys::DESCRIBE_KEY,
    &keys::DISABLE_KEY,
    &keys::ENABLE_KEY,
    &keys::LIST_KEYS,
    &keys::SCHEDULE_KEY_DELETION,
    &signing::GET_PUBLIC_KEY,
    &signing::SIGN,
    &signing::VERIFY,
    &tags::LIST_RESOURCE_TAGS,
    &tags::TAG_RESOURCE,
];

/// The operation with this name.
pub(crate) fn find(name: &str) -> Option<&'static KmsOperation> {
    OPERATIONS.into_iter().find(|operation| operation.name == name)
}

/// Performs an operation.
pub(crate) fn perform(
    store: &Mutex<Store>,
    operation: &str,
    body: &[u8],
) -> Result<Value, KmsError> {
    let input = Input::read(body)?;
    lock(store).delete_expired_keys();
    match find(operation).map(|operation| &operation.perform) {
        Some(Perform::Locked(perform)) => perform(&mut lock(store), &input),
        Some(Perform::Unlocked(perform)) => perform(store, &input),
        None => Err(KmsError::unknown_operation(operation)),
    }
}

/// Whether an operation changes the store.
pub(crate) fn is_write(operation: &str) -> bool {
    !["Sign", "Verify", "Get", "Describe", "List"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}
