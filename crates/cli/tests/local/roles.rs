//! The roles of the template, evaluated: they allow what the functions do, and nothing else.

use std::fs;

use local::{
    Stack,
    kms::{Kms, Role},
};
use serde_json::{Value, json};

use crate::{
    ALIAS, TEMPLATE,
    principals::{FUNCTIONS, PATH, key_of, start, whoami},
    token, with_parameters,
};

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
    // Operation, the rest of its input, and the kinds of keys that both issuers, the authorizer and the rotator may use
    // it on.
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
    for (operation, input, [issuers, authorizer, rotator]) in rows {
        let expected = [issuers, issuers, authorizer, rotator];
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

/// The role of the issuer gets a policy that allows all KMS actions to one function.
#[tokio::test(flavor = "multi_thread")]
async fn condition_on_the_function_matches_calls_of_that_function_only() {
    let stack = start().await;
    for (function, expected) in [("countersign-authorizer", false), ("countersign-issuer", true)] {
        let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
        let policy = serde_json::from_value(json!({
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow", "Action": "kms:*", "Resource": "*",
                "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": arn}},
            },
        }));
        let arn = format!("{PATH}issuer/countersign-IssuerRole-0LOCAL0LOCAL");
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
