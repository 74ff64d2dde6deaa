//! The operations of the KMS API.

mod aliases;
pub(crate) mod grants;
mod key_policies;
mod keys;
mod signing;
mod tags;

use std::sync::Mutex;

use serde_json::{Value, json};

use super::{
    error::KmsError,
    input::Input,
    pages::PageSize,
    store::{Store, StoredKeyState, lock},
};

/// Performs an operation.
pub(crate) fn perform(
    store: &Mutex<Store>,
    operation: &str,
    body: &[u8],
) -> Result<Value, KmsError> {
    let input = Input::read(body)?;
    lock(store).delete_expired_keys();
    // These lock the store themselves, as signing and the generation of an RSA key take long.
    match operation {
        "Sign" => return signing::sign(store, &input),
        "Verify" => return signing::verify(store, &input),
        "GetPublicKey" => return signing::public_key(store, &input),
        "CreateKey" => return keys::create(store, &input),
        _ => {}
    }
    let store = &mut *lock(store);
    match operation {
        "DescribeKey" => {
            let key = store.find(input.required("KeyId")?)?;
            Ok(json!({"KeyMetadata": keys::metadata(store, key)}))
        }
        "ListKeys" => {
            let rows = store.keys.keys();
            let rows = rows.map(|id| (&**id, json!({"KeyId": id, "KeyArn": store.key_arn(id)})));
            input.page("Keys", &PageSize::KEYS, rows)
        }
        "EnableKey" => keys::set_state(store, &input, StoredKeyState::Enabled),
        "DisableKey" => keys::set_state(store, &input, StoredKeyState::Disabled),
        "ScheduleKeyDeletion" => keys::schedule_deletion(store, &input),
        "CancelKeyDeletion" => keys::cancel_deletion(store, &input),
        "CreateAlias" => aliases::create(store, &input),
        "UpdateAlias" => aliases::update(store, &input),
        "DeleteAlias" => aliases::delete(store, &input),
        "ListAliases" => aliases::list(store, &input),
        "CreateGrant" => grants::create(store, &input),
        "ListGrants" => grants::list(store, &input),
        "ListRetirableGrants" => grants::list_retirable(store, &input),
        "RevokeGrant" => grants::revoke(store, &input),
        "RetireGrant" => grants::retire(store, &input),
        "TagResource" => keys::tag(store, &input),
        "ListResourceTags" => tags::list(store, &input),
        "GetKeyPolicy" => key_policies::get(store, &input),
        "PutKeyPolicy" => key_policies::put(store, &input),
        _ => Err(KmsError::unknown_operation(operation)),
    }
}

/// Whether an operation changes the store.
pub(crate) fn is_write(operation: &str) -> bool {
    !["Sign", "Verify", "Get", "Describe", "List"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}
