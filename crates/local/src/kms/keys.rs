//! Keys, from their creation to their deletion.

use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::{
    error::KmsError,
    input::{Input, with},
    lock,
    spec::Spec,
    store::{ACCOUNT, Key, State, Store, Usage},
};

pub(super) fn create(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let spec = input.text("KeySpec")?.or(input.text("CustomerMasterKeySpec")?);
    let spec = spec.unwrap_or(Spec::SymmetricDefault.name());
    let spec = match Spec::from_name(spec) {
        Some(spec) => spec,
        // Known to KMS, and of no use for tokens.
        None if ELSEWHERE.contains(&spec) => {
            let message = format!("KeySpec {spec} is not supported on this machine");
            return Err(KmsError::new("UnsupportedOperationException", message));
        }
        None => return Err(KmsError::constraint("keySpec", "satisfy enum value set")),
    };
    if input.flag("MultiRegion")? {
        let message = "multi-Region keys are not supported on this machine";
        return Err(KmsError::new("UnsupportedOperationException", message));
    }
    let usage = match input.text("KeyUsage")? {
        Some(usage) => usage,
        None if spec == Spec::SymmetricDefault => Usage::EncryptDecrypt.name(),
        None => {
            return Err(KmsError::validation(
                "You must specify a KeyUsage value for an asymmetric key.",
            ));
        }
    };
    let usage = Usage::from_name(usage)
        .ok_or_else(|| KmsError::constraint("keyUsage", "satisfy enum value set"))?;
    let compatible = match usage {
        Usage::SignVerify => !spec.signing_algorithms().is_empty(),
        Usage::EncryptDecrypt => spec.encrypts(),
    };
    if !compatible {
        let (usage, spec) = (usage.name(), spec.name());
        let message = format!("KeyUsage {usage} is not compatible with KeySpec {spec}");
        return Err(KmsError::validation(message));
    }
    let created = lock(store).now();
    let mut key = Key::new(spec, usage, created)?;
    input.text("Description")?.unwrap_or_default().clone_into(&mut key.description);
    if let Some(policy) = policy(input)? {
        key.policy = policy;
    }
    let tags = input.tags()?;
    let mut store = lock(store);
    set_tags(&mut key, tags, store.tag_time());
    let metadata = metadata(&store, &key);
    store.insert(key);
    Ok(json!({"KeyMetadata": metadata}))
}

pub(super) fn metadata(store: &Store, key: &Key) -> Value {
    let deletion = match key.state {
        State::PendingDeletion { date } => Some(date),
        State::Enabled | State::Disabled => None,
    };
    let algorithms: Option<Vec<_>> = (key.usage == Usage::SignVerify).then(|| {
        key.spec.signing_algorithms().iter().map(|algorithm| algorithm.kms_name()).collect()
    });
    let ciphers = (key.usage == Usage::EncryptDecrypt).then(|| key.spec.encryption_algorithms());
    let metadata = json!({
        "AWSAccountId": ACCOUNT,
        "KeyId": key.id,
        "Arn": store.key_arn(&key.id),
        "CreationDate": key.created,
        "Enabled": key.state == State::Enabled,
        "Description": key.description,
        "KeyUsage": key.usage.name(),
        "KeyState": key.state.name(),
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key.spec.name(),
        "KeySpec": key.spec.name(),
        "MultiRegion": false,
    });
    with(
        metadata,
        [
            ("DeletionDate", json!(deletion)),
            ("SigningAlgorithms", json!(algorithms)),
            ("EncryptionAlgorithms", json!(ciphers)),
        ],
    )
}

pub(super) fn set_state(store: &mut Store, input: &Input, state: State) -> Result<Value, KmsError> {
    let key = deletable(store, input)?;
    key.state = state;
    Ok(Value::Null)
}

pub(super) fn schedule_deletion(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let days = input.number("PendingWindowInDays", 7..=30)?.unwrap_or(30);
    let now = store.now();
    let key = deletable(store, input)?;
    let date = now + f64::from(u32::try_from(days).unwrap_or_default()) * 86_400.0;
    key.state = State::PendingDeletion { date };
    let (id, state) = (key.id.clone(), key.state.name());
    Ok(json!({
        "KeyId": store.key_arn(&id),
        "DeletionDate": date,
        "KeyState": state,
        "PendingWindowInDays": days,
    }))
}

pub(super) fn cancel_deletion(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let arn = store.key_arn(&store.find_key(input.required("KeyId")?)?.id);
    let key = store.find_key_mut(input.required("KeyId")?)?;
    if !matches!(key.state, State::PendingDeletion { .. }) {
        let message = format!("{arn} is not pending deletion.");
        return Err(KmsError::new("KMSInvalidStateException", message));
    }
    key.state = State::Disabled;
    Ok(json!({"KeyId": arn}))
}

/// The key that the request names, if it is not on its way to deletion already.
pub(super) fn deletable<'a>(store: &'a mut Store, input: &Input) -> Result<&'a mut Key, KmsError> {
    let name = input.required("KeyId")?;
    let arn = store.key_arn(&store.find_key(name)?.id);
    let key = store.find_key_mut(name)?;
    if matches!(key.state, State::PendingDeletion { .. }) {
        let message = format!("{arn} is pending deletion.");
        return Err(KmsError::new("KMSInvalidStateException", message));
    }
    Ok(key)
}

/// Refuses what only an enabled key can do.
pub(super) fn enabled(key: &Key, arn: &str) -> Result<(), KmsError> {
    match key.state {
        State::Enabled => Ok(()),
        State::Disabled => Err(KmsError::new("DisabledException", format!("{arn} is disabled."))),
        State::PendingDeletion { .. } => {
            Err(KmsError::new("KMSInvalidStateException", format!("{arn} is pending deletion.")))
        }
    }
}

pub(super) fn tag(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let (tags, time) = (input.tags()?, store.tag_time());
    set_tags(deletable(store, input)?, tags, time);
    Ok(Value::Null)
}

fn set_tags(key: &mut Key, tags: Vec<(String, String)>, time: Option<f64>) {
    for (name, value) in tags {
        key.tags.change(&name, Some(value), time);
    }
}

pub(super) fn policy(input: &Input) -> Result<Option<String>, KmsError> {
    let Some(policy) = input.text("Policy")? else { return Ok(None) };
    let malformed = |message| KmsError::new("MalformedPolicyDocumentException", message);
    match serde_json::from_str::<Map<String, Value>>(policy) {
        Ok(members) if members.values().any(has_list_in_list) => {
            Err(malformed("The policy contains a list in a list."))
        }
        Ok(_) => Ok(Some(policy.to_owned())),
        Err(_) => Err(malformed("The policy is not a JSON object.")),
    }
}

/// Nothing in a policy is one.
fn has_list_in_list(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| item.is_array() || has_list_in_list(item)),
        Value::Object(members) => members.values().any(has_list_in_list),
        _ => false,
    }
}

/// Known to KMS, and of no use for tokens.
const ELSEWHERE: [&str; 5] = ["SM2", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"];

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::super::fixture::{signing, state};

    #[test]
    fn policies() {
        let state = state();
        let key = state.create("ECC_NIST_P256", "SIGN_VERIFY");
        let statement = |arns: Value| json!({"Statement": [{"Condition": {"ArnLike": {"aws:PrincipalArn": arns}}}]});
        let malformed = Err("MalformedPolicyDocumentException");
        let rows = [
            (statement(json!("a")).to_string(), Ok(Value::Null)),
            (statement(json!(["a", "b"])).to_string(), Ok(Value::Null)),
            (statement(json!([["a", "b"], "b"])).to_string(), malformed.clone()),
            ("[]".to_owned(), malformed.clone()),
            ("{".to_owned(), malformed),
        ];
        for (policy, expected) in rows {
            let put = state.call("PutKeyPolicy", &json!({"KeyId": key, "Policy": policy}));
            assert_eq!(put, expected, "{policy}");
        }
    }

    #[test]
    fn states() {
        let state = state();
        let id = state.create("RSA_2048", "SIGN_VERIFY");
        let key = json!({"KeyId": id});
        let (sign, alias) =
            (signing(&id, json!({})), json!({"AliasName": "alias/a", "TargetKeyId": id}));
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
            ("TagResource", &key, Some("KMSInvalidStateException")),
            ("PutKeyPolicy", &key, Some("ValidationException")),
            ("UpdateAlias", &alias, Some("KMSInvalidStateException")),
            ("CancelKeyDeletion", &key, None),
            ("Sign", &sign, Some("DisabledException")),
            ("EnableKey", &key, None),
            ("Sign", &sign, None),
            ("EnableKeyRotation", &key, Some("UnknownOperationException")),
        ];
        for (step, (operation, input, expected)) in rows.into_iter().enumerate() {
            assert_eq!(state.call(operation, input).err(), expected, "{step}: {operation}");
        }
    }

    #[test]
    fn a_key_is_gone_with_its_aliases_when_its_time_has_come() {
        let state = state();
        let id = state.create("ECC_NIST_P256", "SIGN_VERIFY");
        let key = json!({"KeyId": id, "PendingWindowInDays": 7});
        state.call("CreateAlias", &json!({"AliasName": "alias/a", "TargetKeyId": id})).unwrap();
        state.call("ScheduleKeyDeletion", &key).unwrap();
        for (days, expected) in [(6, None), (8, Some("NotFoundException"))] {
            let then = SystemTime::now() + Duration::from_hours(24 * days);
            state.store.lock().unwrap().set_time(then);
            for name in [&*id, "alias/a"] {
                let answer = state.call("DescribeKey", &json!({"KeyId": name}));
                assert_eq!(answer.err(), expected, "{name} after {days} days");
            }
        }
        assert_eq!(state.call("ListAliases", &json!({})).unwrap()["Aliases"], json!([]));
    }

    #[test]
    fn a_spec_has_its_algorithms_and_uses() {
        let state = state();
        let p256 = state.create("ECC_NIST_P256", "SIGN_VERIFY");
        let wrong = signing(&p256, json!({"SigningAlgorithm": "ECDSA_SHA_384"}));
        assert_eq!(state.call("Sign", &wrong), Err("InvalidKeyUsageException"));
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
            let created = state.call(
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
