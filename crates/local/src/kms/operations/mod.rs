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
pub(crate) fn all() -> impl Iterator<Item = &'static KmsOperation> {
    let files = [aliases::ALL, grants::ALL, key_policies::ALL, keys::ALL, signing::ALL, tags::ALL];
    files.into_iter().flatten().copied()
}

/// The operation with this name.
pub(crate) fn find(name: &str) -> Option<&'static KmsOperation> {
    all().find(|operation| operation.name == name)
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
