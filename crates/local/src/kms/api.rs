//! The operations by name.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::{
    aliases,
    error::KmsError,
    grants,
    input::{Input, PageSize},
    keys, lock, signing,
    store::{State, Store},
};

/// Performs the operation of this name.
pub(super) fn perform(
    store: &Mutex<Store>,
    operation: &str,
    body: &[u8],
) -> Result<Value, KmsError> {
    let input = Input::read(body)?;
    lock(store).bury();
    match operation {
        "Sign" => return signing::sign(store, &input),
        "Verify" => return signing::verify(store, &input),
        "GetPublicKey" => return signing::public_key(store, &input),
        // Made before the lock is taken: an RSA key takes its time.
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
        "EnableKey" => keys::set_state(store, &input, State::Enabled),
        "DisableKey" => keys::set_state(store, &input, State::Disabled),
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
        "ListResourceTags" => {
            let tags = store.find_key(input.required("KeyId")?)?.tags.all();
            let row = |(name, value)| json!({"TagKey": name, "TagValue": value});
            Ok(json!({"Tags": tags.iter().map(row).collect::<Vec<_>>(), "Truncated": false}))
        }
        "GetKeyPolicy" => {
            let key = store.find_key(input.required("KeyId")?)?;
            Ok(json!({"Policy": key.policy, "PolicyName": "default"}))
        }
        "PutKeyPolicy" => {
            let policy = keys::policy(&input)?
                .ok_or_else(|| KmsError::constraint("policy", "not be null"))?;
            store.find_key_mut(input.required("KeyId")?)?.policy = policy;
            Ok(Value::Null)
        }
        _ => Err(KmsError::new("UnknownOperationException", "")),
    }
}

/// Whether an operation of this name leaves the store other than it was.
pub(super) fn changes(operation: &str) -> bool {
    !["Sign", "Verify", "Get", "Describe", "List"].iter().any(|read| operation.starts_with(read))
}
