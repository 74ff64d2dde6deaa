//! The permissions of the roles of the template: each is needed, and limited to its function.

use std::{collections::BTreeSet, fs};

use local::{kms::Kms, template::Template};
use serde_json::{Value, json};

use crate::{
    ALIAS, TEMPLATE,
    principals::{FUNCTIONS, PATH, call, key_of, start, whoami},
    token,
};

/// The KMS actions in the statements of a role.
fn allowed_actions(role: &str) -> BTreeSet<String> {
    let template = Template::parse(&fs::read_to_string(TEMPLATE).unwrap());
    let template = template.unwrap();
    let mut roles = template.resources("AWS::IAM::Role");
    let (_, role) = roles.find(|(id, _)| *id == role).unwrap();
    let mut actions = BTreeSet::new();
    collect_actions(role.pointer("/Properties/Policies").unwrap(), &mut actions);
    actions
}

fn collect_actions(value: &Value, actions: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.starts_with("kms:") => drop(actions.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect_actions(item, actions)),
        Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "Condition");
            members.for_each(|(_, value)| collect_actions(value, actions));
        }
        _ => {}
    }
}

/// Collects the statements of a role that allow KMS actions.
fn kms_statements<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    let mut actions = BTreeSet::new();
    match value {
        Value::Array(items) => items.iter().for_each(|item| kms_statements(item, found)),
        Value::Object(_) if value["Effect"] == "Allow" => {
            collect_actions(&value["Action"], &mut actions);
            found.extend((!actions.is_empty()).then_some(value));
        }
        Value::Object(members) => members.values().for_each(|value| kms_statements(value, found)),
        _ => {}
    }
}

/// Every statement needs the condition, because some calls need the permissions of two statements.
#[test]
fn every_kms_statement_is_limited_to_its_function() {
    let template = Template::parse(&fs::read_to_string(TEMPLATE).unwrap());
    let template = template.unwrap();
    for (function, role) in FUNCTIONS {
        let mut roles = template.resources("AWS::IAM::Role");
        let (_, role) = roles.find(|(id, _)| *id == role).unwrap();
        let mut found = Vec::new();
        kms_statements(&role["Properties"]["Policies"], &mut found);
        assert!(!found.is_empty(), "{function}");
        let suffix = format!(":function:${{AWS::StackName}}-{}", function.to_lowercase());
        for statement in found {
            let arn = &statement["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]["Fn::Sub"];
            assert!(arn.as_str().is_some_and(|arn| arn.ends_with(&suffix)), "{statement}");
        }
    }
}

/// Issues and verifies tokens, and makes the calls of two rotations. The local KMS denies what a role or the
/// key policy does not allow.
#[tokio::test(flavor = "multi_thread")]
async fn every_permission_is_used_and_none_is_missing() {
    let stack = start().await;
    let long = token(&stack, json!({"sub": "a", "more": "x".repeat(4500)})).await;
    for token in [token(&stack, json!({"sub": "a"})).await, long] {
        assert_eq!(whoami(&stack, &token).await, 200);
    }
    let kms = &stack.kms;
    rotate(kms);
    rotate(kms);
    let used = kms.used_permissions();
    for (_, role) in FUNCTIONS {
        let path = role.trim_end_matches("Role").to_lowercase();
        let arn = format!("{PATH}{path}/countersign-{role}-0LOCAL0LOCAL");
        let used: BTreeSet<_> =
            used.iter().filter(|(by, _)| *by == arn).map(|(_, action)| action.clone()).collect();
        assert_eq!(used, allowed_actions(role), "{role}");
    }
}

/// Makes the calls of a rotation with the rotator's role, after an alias was deleted by hand. The key of the
/// stack is disabled and not deleted.
fn rotate(kms: &Kms) {
    let (next, previous) = (format!("{ALIAS}-next"), format!("{ALIAS}-previous"));
    let own = stack_key(kms);
    let old = key_of(kms, ALIAS);
    let perform = |operation: &str, input: Value| {
        let answer = call(kms, "Rotator", operation, &input);
        assert!(answer.is_ok(), "{operation} {input}: {answer:?}");
        answer.unwrap()
    };
    let update = |alias: &str, key: &Value| {
        perform("UpdateAlias", json!({"AliasName": alias, "TargetKeyId": key}));
    };
    kms.perform("DeleteAlias", &json!({"AliasName": next})).unwrap();
    perform("CreateAlias", json!({"AliasName": next, "TargetKeyId": old}));
    perform("ListAliases", json!({}));
    perform("ListKeys", json!({}));
    for operation in ["DescribeKey", "ListResourceTags", "ListGrants"] {
        perform(operation, json!({"KeyId": old}));
    }
    let policy = perform("GetKeyPolicy", json!({"KeyId": old}))["Policy"].clone();
    let create = json!({
        "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY",
        "Policy": policy, "BypassPolicyLockoutSafetyCheck": true,
        "Tags": [{"TagKey": "countersign:ring", "TagValue": ALIAS}],
    });
    let new = perform("CreateKey", create)["KeyMetadata"]["KeyId"].clone();
    perform("DescribeKey", json!({"KeyId": new}));
    update(&next, &new);
    update(ALIAS, &new);
    perform("DisableKey", json!({"KeyId": old}));
    let delete = json!({"KeyId": old, "PendingWindowInDays": 30});
    if old == own {
        let refused = call(kms, "Rotator", "ScheduleKeyDeletion", &delete);
        assert_eq!(refused, Err("AccessDeniedException".into()), "the key of the stack");
    } else {
        perform("ScheduleKeyDeletion", delete);
    }
    update(&previous, &new);
}

/// The key that the template creates, found by its description.
fn stack_key(kms: &Kms) -> Value {
    let keys = kms.perform("ListKeys", &json!({})).unwrap();
    let keys = keys["Keys"].as_array().unwrap().iter().map(|key| key["KeyId"].clone());
    let described = |key: &Value| kms.perform("DescribeKey", &json!({"KeyId": key})).unwrap();
    keys.into_iter()
        .find(|key| {
            described(key)["KeyMetadata"]["Description"] == "Signs the tokens of countersign"
        })
        .unwrap()
}
