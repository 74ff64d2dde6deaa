//! The permissions of the roles of the template: each is needed, and limited to its function.

use std::{collections::BTreeSet, fs};

use local::{Request, Stack, http, kms::Kms, template::Template};
use serde_json::{Value, json};

use crate::{
    ALIAS, TEMPLATE,
    principals::{FUNCTIONS, TRUSTED_ISSUER, call, function_name, key_of, start_with, whoami},
    public_keys::Signer,
    token,
    token_endpoint::{form, now},
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
    let mut limited = BTreeSet::new();
    for (id, role) in template.resources("AWS::IAM::Role") {
        let mut found = Vec::new();
        kms_statements(&role["Properties"]["Policies"], &mut found);
        if found.is_empty() {
            continue;
        }
        let suffix = format!(":function:${{AWS::StackName}}-{}", function_name(id).unwrap());
        for statement in found {
            let arn = &statement["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]["Fn::Sub"];
            assert!(arn.as_str().is_some_and(|arn| arn.ends_with(&suffix)), "{id}: {statement}");
        }
        limited.insert(id);
    }
    assert_eq!(limited, FUNCTIONS.map(|(_, role)| role).into());
}

/// Issues and verifies tokens, and makes the calls of two rotations. The local KMS denies what a role or the
/// key policy does not allow.
#[tokio::test(flavor = "multi_thread")]
async fn every_permission_is_used_and_none_is_missing() {
    let issuer = Signer::new();
    let stack = start_with(&issuer).await;
    for claims in [json!({"sub": "a", "more": "x"}), json!({"sub": "a", "more": "x".repeat(4500)})]
    {
        for token in [token(&stack, claims.clone()).await, exchange(&stack, &issuer, claims).await]
        {
            assert_eq!(whoami(&stack, &token).await, 200);
        }
    }
    let kms = &stack.kms;
    rotate(kms);
    rotate(kms);
    let used = kms.used_permissions();
    for (_, role) in FUNCTIONS {
        let arn = &stack.roles[role].arn;
        let used: BTreeSet<_> =
            used.iter().filter(|(by, _)| by == arn).map(|(_, action)| action.clone()).collect();
        assert_eq!(used, allowed_actions(role), "{role}");
    }
}

/// The token for an assertion of the trusted issuer with these claims.
async fn exchange(stack: &Stack, issuer: &Signer, mut claims: Value) -> String {
    claims["iss"] = json!(TRUSTED_ISSUER);
    claims["aud"] = json!(format!("http://{}", stack.gateway.address()));
    claims["jti"] = json!(claims.to_string().len().to_string());
    (claims["iat"], claims["exp"]) = (json!(now()), json!(now() + 60));
    let assertion = issuer.token(Some("ci"), &claims);
    let grant =
        [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &*assertion)];
    let request = Request::post("/oauth2/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form(&grant).into());
    let response = http::send(stack.gateway.address(), request.unwrap()).await.unwrap();
    let response: Value = serde_json::from_slice(response.body()).unwrap();
    assert!(response["access_token"].is_string(), "{response}");
    response["access_token"].as_str().unwrap().to_owned()
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
