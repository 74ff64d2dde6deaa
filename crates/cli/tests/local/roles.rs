//! The roles and the key policy of the template, evaluated: they allow what the functions do, and nothing
//! else.

use std::{collections::BTreeSet, fs};

use local::{
    Bytes, Request, Stack, http,
    kms::{Kms, Role},
    template::Template,
};
use serde_json::{Value, json};

use crate::{ALIAS, TEMPLATE, options, token, with_parameters};

/// Each function with its role. The local KMS knows both as access keys: calls with the name of the function
/// come from the function, calls with the name of the role have its permissions outside of Lambda.
const FUNCTIONS: [(&str, &str); 3] =
    [("Issuer", "IssuerRole"), ("Authorizer", "AuthorizerRole"), ("Rotator", "RotatorRole")];
/// The beginning of the ARN of every role of the stack.
const PATH: &str = "arn:aws:iam::000000000000:role/countersign/local/";
const ADMINISTRATOR: &str = "arn:aws:iam::000000000000:role/teams/security";

async fn start() -> Stack {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let parameters =
        [("RotationDays", "2"), ("KeyRefreshSeconds", "10"), ("CopiedTagKeys", "team,cost center")];
    let stack = Stack::start(&template, &with_parameters(&parameters, &[])).await;
    stack.unwrap()
}

/// The status of a request with the token.
async fn whoami(stack: &Stack, token: &str) -> u16 {
    let request = Request::get("/whoami").header("authorization", format!("Bearer {token}"));
    let request = request.body(Bytes::new()).unwrap();
    http::send(stack.gateway.address(), request).await.unwrap().status().as_u16()
}

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
        let arn = format!("{PATH}{path}/local-{role}-0LOCAL0LOCAL");
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
        .find(|key| described(key)["KeyMetadata"]["Description"] == "Signs the tokens of local")
        .unwrap()
}

/// One key of each kind: `c` current, `n` next, `p` previous, `l` left by an interrupted run, `e` of another
/// ring, `s` of no ring.
fn keys_of_every_kind(kms: &Kms) -> [(char, String); 6] {
    let described = kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
    let current = described["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    let policy = kms.perform("GetKeyPolicy", &json!({"KeyId": current})).unwrap()["Policy"].clone();
    let tagged = json!([{"TagKey": "countersign:ring", "TagValue": ALIAS}]);
    let create = |tags: &Value, policy: &Value| {
        let input = json!({
            "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY", "Tags": tags, "Policy": policy,
        });
        let key = kms.perform("CreateKey", &input).unwrap();
        key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    };
    let keys = [
        ('c', current),
        ('n', create(&tagged, &policy)),
        ('p', create(&tagged, &policy)),
        ('l', create(&tagged, &policy)),
        ('e', create(&json!([{"TagKey": "countersign:ring", "TagValue": "alias/e"}]), &policy)),
        ('s', create(&json!([]), &Value::Null)),
    ];
    for (kind, key) in &keys {
        let alias = match kind {
            'n' => "alias/countersign-next",
            'p' => "alias/countersign-previous",
            'e' => "alias/elsewhere",
            _ => continue,
        };
        let operation = if *kind == 'e' { "CreateAlias" } else { "UpdateAlias" };
        kms.perform(operation, &json!({"AliasName": alias, "TargetKeyId": key})).unwrap();
    }
    keys
}

/// Every operation of every role on every kind of key.
#[tokio::test(flavor = "multi_thread")]
async fn roles_allow_each_operation_only_on_the_keys_of_the_table() {
    let stack = start().await;
    let kms = &stack.kms;
    let keys = keys_of_every_kind(kms);
    let tagged = json!([{"TagKey": "countersign:ring", "TagValue": ALIAS}]);
    let policy = json!({"KeyId": key_of(kms, ALIAS)});
    let policy = kms.perform("GetKeyPolicy", &policy).unwrap()["Policy"].clone();
    let usage = |algorithm: &str, kind: &str| json!({"SigningAlgorithm": algorithm, "MessageType": kind, "Message": "", "Signature": ""});
    let rs256 = "RSASSA_PKCS1_V1_5_SHA_256";
    let spec = |spec: &str, usage: &str, tags: &Value| json!({"KeySpec": spec, "KeyUsage": usage, "Tags": tags, "KeyId": null});
    let other = json!([{"TagKey": "countersign:ring", "TagValue": "alias/e"}]);
    let tagged_and = |key: &str| json!([{"TagKey": "countersign:ring", "TagValue": ALIAS}, {"TagKey": key, "TagValue": "a"}]);
    let (copied, foreign) = (tagged_and("cost center"), tagged_and("access"));
    let grantee = "arn:aws:iam::000000000000:role/other";
    let grant = json!({"GranteePrincipal": grantee, "Operations": ["Sign"]});
    let days = |days: u64| json!({"PendingWindowInDays": days});
    let target = |alias: &str| json!({"AliasName": alias});
    let none = json!({});
    // Operation, the rest of its input, and the kinds of keys that issuer, authorizer and rotator may use it
    // on.
    let rows = [
        ("Sign", usage(rs256, "RAW"), ["cnp", "", ""]),
        ("Sign", usage(rs256, "DIGEST"), ["cnp", "", ""]),
        ("Sign", usage(rs256, "EXTERNAL_MU"), ["", "", ""]),
        ("Sign", usage("RSASSA_PSS_SHA_256", "RAW"), ["", "", ""]),
        ("Sign", usage("RSASSA_PKCS1_V1_5_SHA_512", "RAW"), ["", "", ""]),
        ("Verify", usage(rs256, "RAW"), ["", "cnp", ""]),
        ("Verify", usage(rs256, "DIGEST"), ["", "cnp", ""]),
        ("Verify", usage(rs256, "EXTERNAL_MU"), ["", "", ""]),
        ("Verify", usage("RSASSA_PSS_SHA_256", "RAW"), ["", "", ""]),
        ("GetPublicKey", none.clone(), ["cnp", "cnp", ""]),
        ("DescribeKey", none.clone(), ["", "", "cnpl"]),
        ("GetKeyPolicy", none.clone(), ["", "", "cnp"]),
        ("ListGrants", none.clone(), ["", "", "cnp"]),
        ("CreateGrant", grant, ["", "", ""]),
        ("PutKeyPolicy", json!({"Policy": policy}), ["", "", ""]),
        ("ListResourceTags", none.clone(), ["", "", "cnples"]),
        ("ListKeys", none.clone(), ["", "", "cnples"]),
        ("ListAliases", none.clone(), ["", "", "cnples"]),
        ("TagResource", json!({"Tags": tagged}), ["", "", "cnpls"]),
        ("TagResource", json!({"Tags": other}), ["", "", ""]),
        ("TagResource", json!({"Tags": copied}), ["", "", "cnpls"]),
        ("TagResource", json!({"Tags": foreign}), ["", "", ""]),
        ("CreateKey", spec("RSA_2048", "SIGN_VERIFY", &tagged), ["", "", "cnples"]),
        ("CreateKey", spec("ECC_NIST_P256", "SIGN_VERIFY", &tagged), ["", "", ""]),
        ("CreateKey", spec("RSA_2048", "ENCRYPT_DECRYPT", &tagged), ["", "", ""]),
        ("CreateKey", spec("RSA_2048", "SIGN_VERIFY", &other), ["", "", ""]),
        ("CreateKey", spec("RSA_2048", "SIGN_VERIFY", &json!([])), ["", "", ""]),
        ("CreateKey", spec("RSA_2048", "SIGN_VERIFY", &copied), ["", "", "cnples"]),
        ("CreateKey", spec("RSA_2048", "SIGN_VERIFY", &foreign), ["", "", ""]),
        ("CreateAlias", target(ALIAS), ["", "", ""]),
        ("CreateAlias", target("alias/countersign-next"), ["", "", "cnp"]),
        ("CreateAlias", target("alias/countersign-previous"), ["", "", "cnp"]),
        ("CreateAlias", target("alias/other"), ["", "", ""]),
        ("UpdateAlias", target(ALIAS), ["", "", "cnpl"]),
        ("UpdateAlias", target("alias/countersign-next"), ["", "", "cnpl"]),
        ("UpdateAlias", target("alias/countersign-previous"), ["", "", "cnpl"]),
        ("UpdateAlias", target("alias/elsewhere"), ["", "", ""]),
        ("DisableKey", none.clone(), ["", "", "p"]),
        ("EnableKey", none.clone(), ["", "", ""]),
        ("ScheduleKeyDeletion", days(30), ["", "", "p"]),
        ("ScheduleKeyDeletion", days(29), ["", "", ""]),
        ("CancelKeyDeletion", none.clone(), ["", "", ""]),
    ];
    for (operation, input, expected) in rows {
        for ((function, role), expected) in FUNCTIONS.into_iter().zip(expected) {
            let may = |caller: &str, key: &str| {
                let mut input = input.clone();
                let member = if operation.ends_with("Alias") { "TargetKeyId" } else { "KeyId" };
                input[member] = json!(key);
                match kms.check_access(caller, operation, &input) {
                    Ok(()) => true,
                    Err(error) if error.starts_with("AccessDenied") => false,
                    Err(error) => panic!("{operation} {input}: {error}"),
                }
            };
            let allowed = keys.iter().filter(|(_, key)| may(function, key));
            let allowed: String = allowed.map(|(kind, _)| *kind).collect();
            assert_eq!(allowed, expected, "{function} {operation} {input}");
            let elsewhere = keys.iter().find(|(_, key)| may(role, key));
            assert_eq!(elsewhere, None, "{role} outside of {function}: {operation} {input}");
        }
    }
    for alias in [ALIAS, "alias/countersign-next", "alias/countersign-previous", "alias/elsewhere"]
    {
        for (function, _) in FUNCTIONS {
            let may = kms.check_access(function, "DeleteAlias", &json!({"AliasName": alias}));
            assert!(may.is_err(), "{function} {alias}");
        }
    }
}

/// A foreign key under `-previous` may be in use elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn previous_key_without_the_tag_of_the_ring_cannot_be_disabled() {
    let stack = start().await;
    let kms = &stack.kms;
    let previous = "alias/countersign-previous";
    let rows = [
        (ALIAS, "SIGN_VERIFY", true),
        ("alias/e", "SIGN_VERIFY", false),
        (ALIAS, "ENCRYPT_DECRYPT", false),
    ];
    for (ring, usage, expected) in rows {
        let input = json!({
            "KeySpec": "RSA_2048", "KeyUsage": usage,
            "Tags": [{"TagKey": "countersign:ring", "TagValue": ring}],
        });
        let key = kms.perform("CreateKey", &input).unwrap()["KeyMetadata"]["KeyId"].clone();
        // KMS moves an alias only to a key of the same usage, so the alias is created again.
        kms.perform("DeleteAlias", &json!({"AliasName": previous})).unwrap();
        let create = json!({"AliasName": previous, "TargetKeyId": key});
        kms.perform("CreateAlias", &create).unwrap();
        for operation in ["DisableKey", "ScheduleKeyDeletion"] {
            let may = kms.check_access("Rotator", operation, &json!({"KeyId": key}));
            assert_eq!(may.is_ok(), expected, "{operation} {ring} {usage}: {may:?}");
        }
    }
}

/// The tag of the ring is not sufficient: the aliases, the spec and the usage of the key count as well.
#[tokio::test(flavor = "multi_thread")]
async fn tagged_key_cannot_be_retired_or_get_an_alias_unless_its_aliases_and_spec_fit() {
    let stack = start().await;
    let kms = &stack.kms;
    let (next, previous) = (format!("{ALIAS}-next"), format!("{ALIAS}-previous"));
    let create = |spec: &str, usage: &str| {
        let tags = json!([{"TagKey": "countersign:ring", "TagValue": ALIAS}]);
        let input = json!({"KeySpec": spec, "KeyUsage": usage, "Tags": tags});
        kms.perform("CreateKey", &input).unwrap()["KeyMetadata"]["KeyId"].clone()
    };
    let mut wrong = Vec::new();
    let mut check = |operation: &str, input: Value, expected: bool, row: &str| {
        let may = kms.check_access("Rotator", operation, &input);
        if may.is_ok() != expected {
            wrong.push(format!("{row}: {operation} {may:?}"));
        }
    };
    // The second alias of the previous key.
    for (other, expected) in [(None, true), (Some(ALIAS), false), (Some(&*next), false)] {
        let key = create("RSA_2048", "SIGN_VERIFY");
        for alias in other.into_iter().chain([&*previous]) {
            kms.perform("UpdateAlias", &json!({"AliasName": alias, "TargetKeyId": key})).unwrap();
        }
        for operation in ["DisableKey", "ScheduleKeyDeletion"] {
            check(operation, json!({"KeyId": key}), expected, &format!("{other:?}"));
        }
    }
    let elsewhere = Some("alias/elsewhere");
    let rows = [
        ("a new key", "RSA_2048", "SIGN_VERIFY", None, true),
        ("a key with an alias of another ring", "RSA_2048", "SIGN_VERIFY", elsewhere, false),
        ("a key of another spec", "ECC_NIST_P256", "SIGN_VERIFY", None, false),
        ("a key of another usage", "RSA_2048", "ENCRYPT_DECRYPT", None, false),
    ];
    for (row, spec, usage, alias, expected) in rows {
        let key = create(spec, usage);
        if let Some(alias) = alias {
            let input = json!({"AliasName": alias, "TargetKeyId": key});
            kms.perform("CreateAlias", &input).unwrap();
        }
        check("UpdateAlias", json!({"AliasName": next, "TargetKeyId": key}), expected, row);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Assigns an access key to a principal that IAM allows these actions on every resource.
fn assign(kms: &Kms, name: &str, arn: &str, actions: &[&str]) {
    let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
    let policy = json!([{"Version": "2012-10-17", "Statement": statement}]);
    let policies = serde_json::from_value(policy).unwrap();
    kms.assign_role(name, Role { arn: arn.to_owned(), policies });
}

/// The response of KMS to a request with this access key, or the error code.
fn call(kms: &Kms, access_key: &str, operation: &str, input: &Value) -> Result<Value, String> {
    let credential = format!("{access_key}/20261123/us-east-1/kms/aws4_request");
    let request = Request::post("/")
        .header("x-amz-target", format!("TrentService.{operation}"))
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}"))
        .body(Bytes::from(input.to_string()));
    let response = kms.respond(&request.unwrap());
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if response.status().is_success() {
        Ok(body)
    } else {
        Err(body["__type"].as_str().unwrap().to_owned())
    }
}

fn key_of(kms: &Kms, alias: &str) -> Value {
    let described = kms.perform("DescribeKey", &json!({"KeyId": alias})).unwrap();
    described["KeyMetadata"]["KeyId"].clone()
}

async fn start_with_administrator() -> Stack {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let parameters = [("KeyAdministrators", ADMINISTRATOR), ("RotationDays", "90")];
    Stack::start(&template, &with_parameters(&parameters, &[])).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn key_policy_separates_administration_from_use() {
    let stack = start_with_administrator().await;
    let kms = &stack.kms;
    assign(kms, "administrator", ADMINISTRATOR, &["kms:*"]);
    assign(kms, "other", "arn:aws:iam::000000000000:role/everything", &["kms:*"]);
    assign(kms, "other path", "arn:aws:iam::000000000000:role/security", &["kms:*"]);
    let all = ["administrator", "other", "other path", "Issuer", "Authorizer", "Rotator"];
    let readers = ["administrator", "other", "other path", "Rotator"];
    let key_readers = ["administrator", "other", "other path", "Issuer", "Authorizer"];
    let sign = json!({"SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256"});
    let rows = [
        ("Sign", sign, ["Issuer"].as_slice()),
        ("PutKeyPolicy", json!({}), &["administrator"]),
        ("EnableKey", json!({}), &["administrator"]),
        ("TagResource", json!({"Tags": []}), &["administrator"]),
        ("DescribeKey", json!({}), &readers),
        ("GetPublicKey", json!({}), &key_readers),
    ];
    for (operation, mut input, expected) in rows {
        input["KeyId"] = json!(ALIAS);
        for caller in all {
            let may = kms.check_access(caller, operation, &input);
            assert_eq!(may.is_ok(), expected.contains(&caller), "{caller} {operation} {may:?}");
        }
    }
    // An administrator also needs permission by IAM.
    assign(kms, "administrator", ADMINISTRATOR, &["kms:DescribeKey"]);
    assert!(kms.check_access("administrator", "PutKeyPolicy", &json!({"KeyId": ALIAS})).is_err());

    let template = fs::read_to_string(TEMPLATE).unwrap();
    let plain = Stack::start(&template, &options(&[])).await.unwrap();
    assign(&plain.kms, "other", "arn:aws:iam::000000000000:role/everything", &["kms:*"]);
    let may =
        |operation| plain.kms.check_access("other", operation, &json!({"KeyId": ALIAS})).is_ok();
    assert!(
        may("PutKeyPolicy") && may("ScheduleKeyDeletion"),
        "without administrators, IAM decides"
    );
    assert!(!may("Sign"), "only the issuer signs");
}

/// KMS stores a role that is a principal of a key policy by its unique id. A role that is created again has
/// another one.
#[tokio::test(flavor = "multi_thread")]
async fn key_policy_has_the_account_as_its_only_principal() {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let plain = Stack::start(&template, &options(&[])).await.unwrap();
    for stack in [plain, start_with_administrator().await] {
        let key = json!({"KeyId": key_of(&stack.kms, ALIAS)});
        let policy = stack.kms.perform("GetKeyPolicy", &key).unwrap();
        let policy: Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            let account = json!({"AWS": "arn:aws:iam::000000000000:root"});
            assert_eq!(statement["Principal"], account, "{statement}");
        }
    }
}

/// A key that outlives its stack can be used by the roles of a new stack of the same name, and by no other
/// role.
#[tokio::test(flavor = "multi_thread")]
async fn key_policy_matches_roles_that_are_created_again() {
    let stack = start_with_administrator().await;
    let sign = json!({"SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256"});
    let (update, disable) = (json!({"AliasName": ALIAS, "TargetKeyId": ALIAS}), json!({}));
    let policy = json!({});
    let rows = [
        ("countersign/local/issuer/local-IssuerRole-1", "Sign", &sign, true),
        // CloudFormation shortens long names.
        ("countersign/local/issuer/loc1", "Sign", &sign, true),
        ("countersign/local/authorizer/local-AuthorizerRole-1", "Sign", &sign, false),
        ("countersign/local/rotator/local-RotatorRole-1", "Sign", &sign, false),
        ("countersign/local/local-IssuerRole-1", "Sign", &sign, false),
        ("countersign/other/issuer/local-IssuerRole-1", "Sign", &sign, false),
        ("countersign/local2/issuer/local-IssuerRole-1", "Sign", &sign, false),
        ("countersign/issuer/local-IssuerRole-1", "Sign", &sign, false),
        ("local-IssuerRole-1", "Sign", &sign, false),
        ("countersign/local/rotator/local-RotatorRole-1", "UpdateAlias", &update, true),
        ("countersign/local/rotator/local-RotatorRole-1", "DisableKey", &disable, true),
        ("countersign/local/rotator/local-RotatorRole-1", "PutKeyPolicy", &policy, false),
        ("countersign/local/issuer/local-IssuerRole-1", "UpdateAlias", &update, false),
        ("countersign/other/rotator/local-RotatorRole-1", "UpdateAlias", &update, false),
        ("local-RotatorRole-1", "UpdateAlias", &update, false),
        ("teams/security", "PutKeyPolicy", &policy, true),
        ("teams/security", "UpdateAlias", &update, true),
        ("security", "PutKeyPolicy", &policy, false),
        ("other/security", "UpdateAlias", &update, false),
    ];
    let mut wrong = Vec::new();
    for (role, operation, input, expected) in rows {
        assign(&stack.kms, role, &format!("arn:aws:iam::000000000000:role/{role}"), &["kms:*"]);
        let mut input = input.clone();
        if operation == "UpdateAlias" {
            input["TargetKeyId"] = key_of(&stack.kms, ALIAS);
        } else {
            input["KeyId"] = json!(ALIAS);
        }
        let may = stack.kms.check_access(role, operation, &input);
        if may.is_ok() != expected {
            wrong.push(format!("{role} {operation}: {may:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The KMS actions of the managed policy `AWSKeyManagementServicePowerUser`.
const POWER_USER: [&str; 8] = [
    "kms:CreateAlias",
    "kms:CreateKey",
    "kms:DeleteAlias",
    "kms:Describe*",
    "kms:Get*",
    "kms:List*",
    "kms:TagResource",
    "kms:UntagResource",
];

/// Tries every way to point an alias of the ring at another key.
#[tokio::test(flavor = "multi_thread")]
async fn other_principals_cannot_move_the_aliases_of_a_ring_with_administrators() {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let plain = Stack::start(&template, &options(&[])).await.unwrap();
    let guarded = start_with_administrator().await;
    let mut wrong = Vec::new();
    for (stack, administrators) in [(plain, "none"), (guarded, "one")] {
        let kms = &stack.kms;
        assign(kms, "power user", "arn:aws:iam::000000000000:user/power", &POWER_USER);
        let alias_actions = ["kms:CreateAlias", "kms:UpdateAlias"];
        assign(kms, "alias user", "arn:aws:iam::000000000000:user/alias", &alias_actions);
        let own = json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"});
        let own = call(kms, "power user", "CreateKey", &own).unwrap();
        let own = own["KeyMetadata"]["KeyId"].clone();
        let ring = key_of(kms, ALIAS);
        for suffix in ["", "-next", "-previous"] {
            let name = format!("{ALIAS}{suffix}");
            assert_eq!(key_of(kms, &name), ring, "{name} does not point at the key of the ring");
            let restore = json!({"AliasName": name, "TargetKeyId": ring});
            let take = json!({"AliasName": name, "TargetKeyId": own});
            let delete = json!({"AliasName": name});
            let rows = [
                ("power user", vec![("DeleteAlias", &delete), ("CreateAlias", &take)]),
                ("alias user", vec![("UpdateAlias", &take)]),
                ("alias user", vec![("CreateAlias", &take)]),
            ];
            for (principal, calls) in rows {
                let _ = kms.perform("DeleteAlias", &delete);
                kms.perform("CreateAlias", &restore).unwrap();
                let done: Vec<_> =
                    calls.iter().map(|(name, input)| call(kms, principal, name, input)).collect();
                let is_moved = key_of(kms, &name) == own;
                // CreateAlias fails for an alias that exists.
                let expected = administrators == "none" && calls[0].0 != "CreateAlias";
                if is_moved != expected {
                    wrong.push(format!("{administrators}: {principal} {name}: {done:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The role of the issuer gets a policy that allows all KMS actions to one function.
#[tokio::test(flavor = "multi_thread")]
async fn condition_on_the_function_matches_calls_of_that_function_only() {
    let stack = start().await;
    for (function, expected) in [("local-authorizer", false), ("local-issuer", true)] {
        let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
        let policy = serde_json::from_value(json!({
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow", "Action": "kms:*", "Resource": "*",
                "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": arn}},
            },
        }));
        let arn = format!("{PATH}issuer/local-IssuerRole-0LOCAL0LOCAL");
        let role = Role { arn, policies: vec![policy.unwrap()] };
        stack.kms.assign_role("Issuer", role.clone());
        let issued = stack.functions["Issuer"].invoke(&json!({"claims": {"sub": "a"}})).await;
        assert_eq!(issued.result.is_ok(), expected, "{function}: {issued:?}");
        // The same role outside of its function.
        stack.kms.assign_role("IssuerRole", role);
        let sign = json!({"KeyId": ALIAS, "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256"});
        assert!(stack.kms.check_access("IssuerRole", "Sign", &sign).is_err(), "{function}");
    }
}

/// A grant is effective in addition to the key policy, also after the policy was replaced.
#[tokio::test(flavor = "multi_thread")]
async fn grant_allows_another_role_to_sign_until_it_is_revoked() {
    let stack = start().await;
    let kms = &stack.kms;
    let described = kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
    let key = described["KeyMetadata"]["KeyId"].clone();
    let arn = "arn:aws:iam::000000000000:role/other";
    kms.assign_role("other", Role { arn: arn.into(), policies: vec![] });
    let sign = json!({"KeyId": ALIAS, "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256"});
    let may_sign = || kms.check_access("other", "Sign", &sign).is_ok();
    assert!(!may_sign());
    let grant = json!({"KeyId": key, "GranteePrincipal": arn, "Operations": ["Sign"]});
    let grant = kms.perform("CreateGrant", &grant).unwrap();
    assert!(may_sign());
    let policy = kms.perform("GetKeyPolicy", &json!({"KeyId": key})).unwrap()["Policy"].clone();
    kms.perform("PutKeyPolicy", &json!({"KeyId": key, "Policy": policy})).unwrap();
    assert!(may_sign());
    kms.perform("RevokeGrant", &json!({"KeyId": key, "GrantId": grant["GrantId"]})).unwrap();
    assert!(!may_sign());
}

/// Every `KeySpec` with its algorithms, set by the parameters of the template.
#[tokio::test(flavor = "multi_thread")]
async fn roles_allow_the_algorithm_of_the_parameters() {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let rows = [
        ("RSA_2048", "RS384"),
        ("RSA_2048", "RS512"),
        ("RSA_2048", "PS256"),
        ("RSA_2048", "PS384"),
        ("RSA_2048", "PS512"),
        ("ECC_NIST_P256", "ES256"),
        ("ECC_NIST_P384", "ES384"),
        ("ECC_NIST_P521", "ES512"),
        ("ECC_SECG_P256K1", "ES256K"),
        ("ECC_NIST_EDWARDS25519", "Ed25519"),
        ("ML_DSA_44", "ML-DSA-44"),
        ("ML_DSA_65", "ML-DSA-65"),
        ("ML_DSA_87", "ML-DSA-87"),
    ];
    for (spec, algorithm) in rows {
        let parameters = [("KeySpec", spec), ("SigningAlgorithm", algorithm)];
        let stack = Stack::start(&template, &with_parameters(&parameters, &[])).await.unwrap();
        let mut claims = vec![json!({"sub": "a"})];
        // Longer than a message that KMS accepts. Ed25519 cannot sign it, and an ML-DSA-87 token of this
        // length exceeds the header limit of API Gateway.
        if !["Ed25519", "ML-DSA-87"].contains(&algorithm) {
            claims.push(json!({"sub": "a", "more": "x".repeat(3200)}));
        }
        for claims in claims {
            let token = token(&stack, claims).await;
            assert_eq!(whoami(&stack, &token).await, 200, "{algorithm}");
        }
    }
}
