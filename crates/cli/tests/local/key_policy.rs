//! The key policy of the template, evaluated, and grants.

use std::fs;

use local::{Stack, kms::Role};
use serde_json::{Value, json};

use crate::{
    ALIAS, TEMPLATE, options,
    principals::{assign, call, key_of, start},
    with_parameters,
};

const ADMINISTRATOR: &str = "arn:aws:iam::000000000000:role/teams/security";

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
/// another id.
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
        ("countersign/countersign/issuer/countersign-IssuerRole-1", "Sign", &sign, true),
        // CloudFormation shortens long names.
        ("countersign/countersign/issuer/loc1", "Sign", &sign, true),
        ("countersign/countersign/authorizer/countersign-AuthorizerRole-1", "Sign", &sign, false),
        ("countersign/countersign/rotator/countersign-RotatorRole-1", "Sign", &sign, false),
        ("countersign/countersign/countersign-IssuerRole-1", "Sign", &sign, false),
        ("countersign/other/issuer/countersign-IssuerRole-1", "Sign", &sign, false),
        ("countersign/countersign2/issuer/countersign-IssuerRole-1", "Sign", &sign, false),
        ("countersign/issuer/countersign-IssuerRole-1", "Sign", &sign, false),
        ("countersign-IssuerRole-1", "Sign", &sign, false),
        ("countersign/countersign/rotator/countersign-RotatorRole-1", "UpdateAlias", &update, true),
        ("countersign/countersign/rotator/countersign-RotatorRole-1", "DisableKey", &disable, true),
        (
            "countersign/countersign/rotator/countersign-RotatorRole-1",
            "PutKeyPolicy",
            &policy,
            false,
        ),
        ("countersign/countersign/issuer/countersign-IssuerRole-1", "UpdateAlias", &update, false),
        ("countersign/other/rotator/countersign-RotatorRole-1", "UpdateAlias", &update, false),
        ("countersign-RotatorRole-1", "UpdateAlias", &update, false),
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
pub(crate) const POWER_USER: [&str; 8] = [
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
