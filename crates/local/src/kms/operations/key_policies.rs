//! Operations on key policies.

use serde_json::{Map, Value, json};

use super::operation::{KmsOperation, Perform, Resource};
use crate::{
    iam::ConditionContext,
    kms::{error::KmsError, input::Input, store::Store},
};

/// The operations of this file.
pub(super) const ALL: &[&KmsOperation] = &[&GET_KEY_POLICY, &PUT_KEY_POLICY];

const GET_KEY_POLICY: KmsOperation = KmsOperation {
    name: "GetKeyPolicy",
    perform: Perform::Locked(|store, input| get(store, input)),
    resource: Resource::Key,
    condition_keys: None,
};

const PUT_KEY_POLICY: KmsOperation = KmsOperation {
    name: "PutKeyPolicy",
    perform: Perform::Locked(put),
    resource: Resource::Key,
    condition_keys: Some(condition_keys),
};

/// The condition keys of a request that sets a key policy.
pub(super) fn condition_keys(
    context: &mut ConditionContext,
    input: &Input,
) -> Result<(), KmsError> {
    let bypass = input.flag("BypassPolicyLockoutSafetyCheck")?;
    context.set("kms:BypassPolicyLockoutSafetyCheck", [bypass.to_string()]);
    Ok(())
}

/// The `Policy` of a request. The local KMS checks its form only.
pub(super) fn new_policy(input: &Input) -> Result<Option<String>, KmsError> {
    let Some(policy) = input.text_within("Policy", POLICY_MAX_LENGTH)? else { return Ok(None) };
    if policy.len() > POLICY_QUOTA_BYTES {
        let message = format!("The policy is longer than {POLICY_QUOTA_BYTES} bytes.");
        return Err(KmsError::new("LimitExceededException", message));
    }
    let malformed = |message| KmsError::new("MalformedPolicyDocumentException", message);
    match serde_json::from_str::<Map<String, Value>>(policy) {
        Ok(members) if members.values().any(has_nested_list) => {
            Err(malformed("The policy contains a list in a list."))
        }
        Ok(_) => Ok(Some(policy.to_owned())),
        Err(_) => Err(malformed("The policy is not a JSON object.")),
    }
}

fn get(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let key = store.find_key(input.required("KeyId")?)?;
    if !names_default(input)? {
        return Err(KmsError::new("NotFoundException", "No such policy exists"));
    }
    Ok(json!({"Policy": key.policy, "PolicyName": DEFAULT}))
}

fn put(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let policy = new_policy(input)?.ok_or_else(|| KmsError::constraint("policy", "not be null"))?;
    let key = store.find_key_mut(input.required("KeyId")?)?;
    if !names_default(input)? {
        let message = "Only default policy is supported";
        return Err(KmsError::new("UnsupportedOperationException", message));
    }
    key.policy = policy;
    Ok(Value::Null)
}

/// Whether a list contains a list, which no element of a policy allows.
fn has_nested_list(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| item.is_array() || has_nested_list(item)),
        Value::Object(members) => members.values().any(has_nested_list),
        _ => false,
    }
}

/// Whether the request names the one policy that a key has.
fn names_default(input: &Input) -> Result<bool, KmsError> {
    let name = input.text_within("PolicyName", POLICY_NAME_MAX_LENGTH)?;
    Ok(name.is_none_or(|name| name == DEFAULT))
}

/// The name of the policy of every key.
const DEFAULT: &str = "default";
/// The limits of the service model, in characters.
const POLICY_MAX_LENGTH: usize = 131_072;
const POLICY_NAME_MAX_LENGTH: usize = 128;
/// The quota of KMS ("Resource quotas" in the developer guide).
const POLICY_QUOTA_BYTES: usize = 32_768;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::kms::fixture::service;

    #[test]
    fn malformed_key_policies_are_rejected() {
        let service = service();
        let key = service.create("ECC_NIST_P256", "SIGN_VERIFY");
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
            let put = service.call("PutKeyPolicy", &json!({"KeyId": key, "Policy": policy}));
            assert_eq!(put, expected, "{policy}");
        }
    }
}
