//! Operations on keys, except cryptographic ones.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::{
    key_policies::{self, new_policy},
    named_key::find_mutable,
    operation::{KmsOperation, Perform, Resource},
    tags::{self, set_tags},
};
use crate::{
    account::ACCOUNT,
    iam::ConditionContext,
    kms::{
        crypto::KeySpec,
        error::KmsError,
        input::{Input, check_length},
        output::with_present,
        pages::PageSize,
        store::{KeyUsage, Store, StoredKey, StoredKeyState, lock},
    },
};

const PAGE_SIZE: PageSize = PageSize { default: 100, max: 1000 };

/// The operations of this file.
pub(super) const ALL: &[&KmsOperation] = &[
    &CREATE_KEY,
    &DESCRIBE_KEY,
    &LIST_KEYS,
    &ENABLE_KEY,
    &DISABLE_KEY,
    &SCHEDULE_KEY_DELETION,
    &CANCEL_KEY_DELETION,
];

const CREATE_KEY: KmsOperation = KmsOperation {
    name: "CreateKey",
    perform: Perform::Unlocked(create),
    resource: Resource::NewKey,
    condition_keys: Some(creation_condition_keys),
};

const DESCRIBE_KEY: KmsOperation = KmsOperation {
    name: "DescribeKey",
    perform: Perform::Locked(|store, input| describe(store, input)),
    resource: Resource::KeyOrAlias,
    condition_keys: None,
};

const LIST_KEYS: KmsOperation = KmsOperation {
    name: "ListKeys",
    perform: Perform::Locked(|store, input| list(store, input)),
    resource: Resource::Account,
    condition_keys: None,
};

const ENABLE_KEY: KmsOperation = KmsOperation {
    name: "EnableKey",
    perform: Perform::Locked(|store, input| set_state(store, input, StoredKeyState::Enabled)),
    resource: Resource::Key,
    condition_keys: None,
};

const DISABLE_KEY: KmsOperation = KmsOperation {
    name: "DisableKey",
    perform: Perform::Locked(|store, input| set_state(store, input, StoredKeyState::Disabled)),
    resource: Resource::Key,
    condition_keys: None,
};

const SCHEDULE_KEY_DELETION: KmsOperation = KmsOperation {
    name: "ScheduleKeyDeletion",
    perform: Perform::Locked(schedule_deletion),
    resource: Resource::Key,
    condition_keys: Some(deletion_condition_keys),
};

const CANCEL_KEY_DELETION: KmsOperation = KmsOperation {
    name: "CancelKeyDeletion",
    perform: Perform::Locked(cancel_deletion),
    resource: Resource::Key,
    condition_keys: None,
};

fn creation_condition_keys(context: &mut ConditionContext, input: &Input) -> Result<(), KmsError> {
    context.set("kms:KeySpec", input.text("KeySpec")?);
    context.set("kms:KeyUsage", input.text("KeyUsage")?);
    key_policies::condition_keys(context, input)?;
    tags::condition_keys(context, input)
}

fn create(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let spec = match (input.text("KeySpec")?, input.text("CustomerMasterKeySpec")?) {
        (Some(_), Some(_)) => {
            return Err(KmsError::validation(
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec \
                 is deprecated.",
            ));
        }
        (spec, deprecated) => spec.or(deprecated),
    };
    let spec = spec.unwrap_or(KeySpec::SymmetricDefault.name());
    let spec = match KeySpec::from_name(spec) {
        Some(spec) => spec,
        None if UNSUPPORTED_SPECS.contains(&spec) => {
            let message = format!("KeySpec {spec} is not supported on this machine");
            return Err(KmsError::new("UnsupportedOperationException", message));
        }
        None => return Err(KmsError::constraint("keySpec", "satisfy enum value set")),
    };
    if input.flag("MultiRegion")? {
        let message = "multi-Region keys are not supported on this machine";
        return Err(KmsError::new("UnsupportedOperationException", message));
    }
    check_origin(input)?;
    let usage = match input.text("KeyUsage")? {
        Some(usage) => usage,
        None if spec == KeySpec::SymmetricDefault => KeyUsage::EncryptDecrypt.name(),
        None => {
            return Err(KmsError::validation(
                "You must specify a KeyUsage value for an asymmetric key.",
            ));
        }
    };
    let usage = KeyUsage::from_name(usage)
        .ok_or_else(|| KmsError::constraint("keyUsage", "satisfy enum value set"))?;
    let is_compatible = match usage {
        KeyUsage::SignVerify => !spec.signing_algorithms().is_empty(),
        KeyUsage::EncryptDecrypt => spec.can_encrypt(),
    };
    if !is_compatible {
        let (usage, spec) = (usage.name(), spec.name());
        let message = format!("KeyUsage {usage} is not compatible with KeySpec {spec}");
        return Err(KmsError::validation(message));
    }
    let (created, account) = {
        let store = lock(store);
        (store.now(), store.account_arn())
    };
    let mut key = StoredKey::new(spec, usage, created, &account)?;
    let description = input.text("Description")?.unwrap_or_default();
    check_length("description", description, 0..=DESCRIPTION_MAX_LENGTH)?;
    description.clone_into(&mut key.description);
    if let Some(policy) = new_policy(input)? {
        key.policy = policy;
    }
    let tags = input.tags()?;
    let mut store = lock(store);
    set_tags(&mut key, tags, store.tag_time());
    let metadata = metadata(&store, &key);
    store.insert(key);
    Ok(json!({"KeyMetadata": metadata}))
}

/// The local KMS creates the material of every key itself.
fn check_origin(input: &Input) -> Result<(), KmsError> {
    let unsupported = |what: &str| {
        let message = format!("{what} is not supported on this machine");
        Err(KmsError::new("UnsupportedOperationException", message))
    };
    match input.text("Origin")? {
        None | Some("AWS_KMS") => {}
        Some(origin) if OTHER_ORIGINS.contains(&origin) => {
            return unsupported(&format!("Origin {origin}"));
        }
        Some(_) => return Err(KmsError::constraint("origin", "satisfy enum value set")),
    }
    let key_store = input.text_within("CustomKeyStoreId", CUSTOM_KEY_STORE_ID_MAX_LENGTH)?;
    if key_store.or(input.text_within("XksKeyId", XKS_KEY_ID_MAX_LENGTH)?).is_some() {
        return unsupported("A custom key store");
    }
    Ok(())
}

fn metadata(store: &Store, key: &StoredKey) -> Value {
    let deletion = match key.state {
        StoredKeyState::PendingDeletion { date } => Some(date),
        StoredKeyState::Enabled | StoredKeyState::Disabled => None,
    };
    let signing_algorithms: Option<Vec<_>> = (key.usage == KeyUsage::SignVerify).then(|| {
        key.spec.signing_algorithms().iter().map(|algorithm| algorithm.kms_name()).collect()
    });
    let encryption_algorithms =
        (key.usage == KeyUsage::EncryptDecrypt).then(|| key.spec.encryption_algorithms());
    let metadata = json!({
        "AWSAccountId": ACCOUNT,
        "KeyId": key.id,
        "Arn": store.key_arn(&key.id),
        "CreationDate": key.created,
        "Enabled": key.state == StoredKeyState::Enabled,
        "Description": key.description,
        "KeyUsage": key.usage.name(),
        "KeyState": key.state.name(),
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key.spec.name(),
        "KeySpec": key.spec.name(),
        "MultiRegion": false,
    });
    with_present(
        metadata,
        [
            ("DeletionDate", json!(deletion)),
            ("SigningAlgorithms", json!(signing_algorithms)),
            ("EncryptionAlgorithms", json!(encryption_algorithms)),
        ],
    )
}

fn describe(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let key = store.find(input.required("KeyId")?)?;
    Ok(json!({"KeyMetadata": metadata(store, key)}))
}

fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let rows = store.keys.keys();
    let rows = rows.map(|id| (&**id, json!({"KeyId": id, "KeyArn": store.key_arn(id)})));
    input.page("Keys", &PAGE_SIZE, rows)
}

fn set_state(store: &mut Store, input: &Input, state: StoredKeyState) -> Result<Value, KmsError> {
    let key = find_mutable(store, input)?;
    key.state = state;
    Ok(Value::Null)
}

fn pending_days(input: &Input) -> Result<u64, KmsError> {
    Ok(input.number("PendingWindowInDays", 7..=30)?.unwrap_or(30))
}

fn deletion_condition_keys(context: &mut ConditionContext, input: &Input) -> Result<(), KmsError> {
    let days = pending_days(input)?.to_string();
    context.set("kms:ScheduleKeyDeletionPendingWindowInDays", [days]);
    Ok(())
}

fn schedule_deletion(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let days = pending_days(input)?;
    let now = store.now();
    let key = find_mutable(store, input)?;
    let date = now + f64::from(u32::try_from(days).unwrap_or_default()) * 86_400.0;
    key.state = StoredKeyState::PendingDeletion { date };
    let (id, state) = (key.id.clone(), key.state.name());
    Ok(json!({
        "KeyId": store.key_arn(&id),
        "DeletionDate": date,
        "KeyState": state,
        "PendingWindowInDays": days,
    }))
}

fn cancel_deletion(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let arn = store.key_arn(&store.find_key(input.required("KeyId")?)?.id);
    let key = store.find_key_mut(input.required("KeyId")?)?;
    if !matches!(key.state, StoredKeyState::PendingDeletion { .. }) {
        let message = format!("{arn} is not pending deletion.");
        return Err(KmsError::new("KMSInvalidStateException", message));
    }
    key.state = StoredKeyState::Disabled;
    Ok(json!({"KeyId": arn}))
}

/// The limits of the service model, in characters.
const DESCRIPTION_MAX_LENGTH: usize = 8192;
const CUSTOM_KEY_STORE_ID_MAX_LENGTH: usize = 64;
const XKS_KEY_ID_MAX_LENGTH: usize = 128;
/// Values of `Origin` for key material that KMS does not create itself.
const OTHER_ORIGINS: [&str; 3] = ["EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"];
/// Specs of KMS that sign no tokens.
const UNSUPPORTED_SPECS: [&str; 5] = ["SM2", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"];

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use crate::kms::fixture::{service, sign_request};

    #[test]
    fn operations_depend_on_the_key_state() {
        let service = service();
        let id = service.create("RSA_2048", "SIGN_VERIFY");
        let key = json!({"KeyId": id});
        let (sign, alias) =
            (sign_request(&id, json!({})), json!({"AliasName": "alias/a", "TargetKeyId": id}));
        let rows = [
            ("CancelKeyDeletion", &key, Some("KMSInvalidStateException")),
            ("DisableKey", &key, None),
            ("DisableKey", &key, None),
            ("Sign", &sign, Some("DisabledException")),
            ("GetPublicKey", &key, Some("DisabledException")),
            ("DescribeKey", &key, None),
            ("EnableKey", &key, None),
            ("GetPublicKey", &key, None),
            ("CreateAlias", &alias, None),
            ("CreateAlias", &alias, Some("AlreadyExistsException")),
            (
                "ScheduleKeyDeletion",
                &json!({"KeyId": id, "PendingWindowInDays": 6}),
                Some("ValidationException"),
            ),
            ("ScheduleKeyDeletion", &json!({"KeyId": "alias/a"}), Some("ValidationException")),
            ("DisableKey", &json!({"KeyId": "alias/a"}), Some("ValidationException")),
            ("ScheduleKeyDeletion", &key, None),
            ("ScheduleKeyDeletion", &key, Some("KMSInvalidStateException")),
            ("Sign", &sign, Some("KMSInvalidStateException")),
            ("GetPublicKey", &key, Some("KMSInvalidStateException")),
            ("EnableKey", &key, Some("KMSInvalidStateException")),
            ("TagResource", &key, Some("ValidationException")),
            ("TagResource", &json!({"KeyId": id, "Tags": []}), Some("KMSInvalidStateException")),
            ("PutKeyPolicy", &key, Some("ValidationException")),
            ("UpdateAlias", &alias, Some("KMSInvalidStateException")),
            ("CancelKeyDeletion", &key, None),
            ("Sign", &sign, Some("DisabledException")),
            ("EnableKey", &key, None),
            ("Sign", &sign, None),
            ("EnableKeyRotation", &key, Some("UnknownOperationException")),
        ];
        for (step, (operation, input, expected)) in rows.into_iter().enumerate() {
            assert_eq!(service.call(operation, input).err(), expected, "{step}: {operation}");
        }
    }

    #[test]
    fn a_key_is_deleted_with_its_aliases_on_its_deletion_date() {
        let service = service();
        let id = service.create("ECC_NIST_P256", "SIGN_VERIFY");
        let key = json!({"KeyId": id, "PendingWindowInDays": 7});
        service.call("CreateAlias", &json!({"AliasName": "alias/a", "TargetKeyId": id})).unwrap();
        service.call("ScheduleKeyDeletion", &key).unwrap();
        for (days, expected) in [(6, None), (8, Some("NotFoundException"))] {
            let then = SystemTime::now() + Duration::from_hours(24 * days);
            service.store.lock().unwrap().set_time(then);
            for name in [&*id, "alias/a"] {
                let response = service.call("DescribeKey", &json!({"KeyId": name}));
                assert_eq!(response.err(), expected, "{name} after {days} days");
            }
        }
        assert_eq!(service.call("ListAliases", &json!({})).unwrap()["Aliases"], json!([]));
    }

    #[test]
    fn specs_limit_algorithms_and_usages() {
        let service = service();
        let p256 = service.create("ECC_NIST_P256", "SIGN_VERIFY");
        let wrong = sign_request(&p256, json!({"SigningAlgorithm": "ECDSA_SHA_384"}));
        assert_eq!(service.call("Sign", &wrong), Err("InvalidKeyUsageException"));
        let rows = [
            ("ECC_NIST_P256", "ENCRYPT_DECRYPT", Some("ValidationException")),
            ("ML_DSA_44", "ENCRYPT_DECRYPT", Some("ValidationException")),
            ("SYMMETRIC_DEFAULT", "SIGN_VERIFY", Some("ValidationException")),
            ("RSA_2048", "ENCRYPT_DECRYPT", None),
            ("RSA_1024", "SIGN_VERIFY", Some("ValidationException")),
            ("RSA_2048", "", Some("ValidationException")),
            ("SM2", "SIGN_VERIFY", Some("UnsupportedOperationException")),
        ];
        for (spec, usage, expected) in rows {
            let created = service.call(
                "CreateKey",
                &match usage {
                    "" => json!({"KeySpec": spec}),
                    usage => json!({"KeySpec": spec, "KeyUsage": usage}),
                },
            );
            assert_eq!(created.err(), expected, "{spec} {usage}");
        }
    }
}
