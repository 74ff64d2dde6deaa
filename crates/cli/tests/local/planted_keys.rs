//! A principal with the managed policy `AWSKeyManagementServicePowerUser` creates a key with the tag and the policy of
//! the ring, and a grant to sign with it. Neither the rotator nor the command line, both with the permissions of the
//! rotator's role, points an alias of the ring at that key.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use local::{Stack, kms::Kms};
use serde_json::{Value, json};

use crate::{
    ALIAS, TEMPLATE,
    key_policy::POWER_USER,
    log_lines,
    principals::{assign, call},
    run, to_text, with_parameters,
};

const ATTACKER: &str = "arn:aws:iam::000000000000:user/attacker";
/// The parameter `KeyAdministrators`: none, so that IAM alone protects the aliases, and one.
const ADMINISTRATORS: [&str; 2] = ["", "arn:aws:iam::000000000000:role/teams/security"];

/// A stack whose ring is due for a rotation, and the key of the attacker.
async fn start(administrators: &str) -> (Stack, String) {
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let parameters = [("RotationDays", "2"), ("KeyAdministrators", administrators)];
    let stack = Stack::start(&template, &with_parameters(&parameters, &[])).await.unwrap();
    let current = key_of(&stack.kms, ALIAS);
    set_hours_ago(&stack.kms, 72);
    for suffix in ["", "-next", "-previous"] {
        let moved = json!({"AliasName": format!("{ALIAS}{suffix}"), "TargetKeyId": current});
        stack.kms.perform("UpdateAlias", &moved).unwrap();
    }
    let planted = plant_key(&stack.kms);
    set_hours_ago(&stack.kms, 24);
    (stack, planted)
}

/// Performs an operation as the attacker.
fn attack(kms: &Kms, operation: &str, input: &Value) -> Value {
    call(kms, "attacker", operation, input).unwrap()
}

/// Creates a key with the ring's tag and `KeySpec` that only the attacker can use.
fn create_key(kms: &Kms) -> String {
    assign(kms, "attacker", ATTACKER, &POWER_USER);
    let current = attack(kms, "DescribeKey", &json!({"KeyId": ALIAS}));
    let statement = json!({
        "Effect": "Allow", "Principal": {"AWS": ATTACKER}, "Action": "kms:*", "Resource": "*",
    });
    let policy = json!({"Version": "2012-10-17", "Statement": statement});
    let input = json!({
        "KeySpec": current["KeyMetadata"]["KeySpec"], "KeyUsage": "SIGN_VERIFY",
        "Policy": policy.to_string(),
        "Tags": [{"TagKey": "countersign:ring", "TagValue": ALIAS}],
    });
    let key = attack(kms, "CreateKey", &input);
    key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

/// Creates a key with the policy of the ring and a grant. The grant needs the policy that the key has first.
fn plant_key(kms: &Kms) -> String {
    let key = create_key(kms);
    attack(kms, "CreateGrant", &grant(&key, &["Sign"]));
    let policy = attack(kms, "GetKeyPolicy", &json!({"KeyId": key_of(kms, ALIAS)}));
    let replaced = json!({
        "KeyId": key, "Policy": policy["Policy"], "BypassPolicyLockoutSafetyCheck": true,
    });
    attack(kms, "PutKeyPolicy", &replaced);
    key
}

fn grant(key: &str, operations: &[&str]) -> Value {
    json!({"KeyId": key, "GranteePrincipal": ATTACKER, "Operations": operations})
}

fn key_of(kms: &Kms, alias: &str) -> String {
    let key = kms.perform("DescribeKey", &json!({"KeyId": alias})).unwrap();
    key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

fn set_hours_ago(kms: &Kms, hours: u64) {
    kms.set_time(SystemTime::now() - Duration::from_hours(hours));
}

/// Asserts that no alias points at the planted key, and returns the next key, which the rotation created.
fn expect_new_next_key(kms: &Kms, planted: &str, case: &str) -> String {
    let suffixes = ["", "-previous", "-next"];
    let keys = suffixes.map(|suffix| key_of(kms, &format!("{ALIAS}{suffix}")));
    assert!(!keys.iter().any(|key| key == planted), "{case}");
    let [current, previous, next] = keys;
    assert!(current == previous && next != current, "{case}");
    next
}

#[tokio::test(flavor = "multi_thread")]
async fn rotator_reports_a_planted_key_and_points_no_alias_at_it() {
    for administrators in ADMINISTRATORS {
        let case = format!("administrators: {administrators:?}");
        let (stack, planted) = start(administrators).await;
        let (kms, rotator) = (&stack.kms, &stack.functions["Rotator"]);
        let current = key_of(kms, ALIAS);
        let answer = rotator.invoke(&json!({})).await.result.unwrap();
        assert_eq!(answer["done"], "prepare", "{case}");
        let leftovers = answer["leftovers"].to_string();
        assert!(leftovers.contains(&planted) && leftovers.contains("disable-key"), "{case}");
        let next = expect_new_next_key(kms, &planted, &case);

        // A grant to sign with the next key blocks its promotion.
        let created = kms.perform("CreateGrant", &grant(&next, &["Verify", "Sign"])).unwrap();
        set_hours_ago(kms, 0);
        let error = rotator.invoke(&json!({})).await.result.unwrap_err();
        assert_eq!(error.error_type, "ForeignGrant", "{case}");
        assert!(error.message.contains(ATTACKER), "{case}: {}", error.message);
        assert_eq!(key_of(kms, ALIAS), current, "{case}");
        let revoke = json!({"KeyId": next, "GrantId": created["GrantId"]});
        kms.perform("RevokeGrant", &revoke).unwrap();
        // A grant to verify does not.
        kms.perform("CreateGrant", &grant(&next, &["Verify"])).unwrap();
        let answer = rotator.invoke(&json!({})).await.result.unwrap();
        assert_eq!((&answer["done"], key_of(kms, ALIAS)), (&json!("promote"), next), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_line_reports_a_planted_key_and_points_no_alias_at_it() {
    for administrators in ADMINISTRATORS {
        let case = format!("administrators: {administrators:?}");
        let (stack, planted) = start(administrators).await;
        let kms = &stack.kms;
        let current = key_of(kms, ALIAS);
        let endpoint = format!("http://{}", kms.address());
        let rotate = || {
            let settings = [
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "Rotator"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
                ("AWS_ENDPOINT_URL_KMS", &endpoint),
            ];
            let output =
                run(&["key", "rotate", ALIAS, "--yes", "--retained-key", &current], &settings);
            (output.status.code(), to_text(&output.stdout), to_text(&output.stderr))
        };
        let (code, _, error) = rotate();
        assert_eq!(code, Some(0), "{case}: {error}");
        let report = format!("{planted} has the ring's tag and no alias");
        assert!(error.contains(&report), "{case}: {error}");
        let next = expect_new_next_key(kms, &planted, &case);

        // A grant to sign with the next key blocks its promotion.
        let created = kms.perform("CreateGrant", &grant(&next, &["Sign"])).unwrap();
        set_hours_ago(kms, 0);
        let (code, out, error) = rotate();
        assert_eq!((code, &*out), (Some(3), ""), "{case}: {error}");
        let is_reported = error.contains("allows Sign to") && error.contains("revoke-grant");
        assert!(is_reported, "{case}: {error}");
        assert_eq!(key_of(kms, ALIAS), current, "{case}");
        let revoke = json!({"KeyId": next, "GrantId": created["GrantId"]});
        kms.perform("RevokeGrant", &revoke).unwrap();
        let (code, _, error) = rotate();
        assert_eq!((code, key_of(kms, ALIAS)), (Some(0), next), "{case}: {error}");
    }
}

/// Without administrators, the attacker can move `-previous` to a key that is hidden from the rotator.
#[tokio::test(flavor = "multi_thread")]
async fn rotator_names_a_foreign_key_that_it_cannot_describe() {
    let (stack, _) = start("").await;
    let kms = &stack.kms;
    let hidden = create_key(kms);
    let alias = format!("{ALIAS}-previous");
    attack(kms, "DeleteAlias", &json!({"AliasName": alias}));
    attack(kms, "CreateAlias", &json!({"AliasName": alias, "TargetKeyId": hidden}));
    let error = stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap_err();
    assert_eq!(error.error_type, "AccessDenied");
    assert!(error.message.contains("DescribeKey"), "{}", error.message);
    let line = &log_lines(&stack, "Rotator", 1).await[0];
    assert!(line["error"].as_str().unwrap().contains(&hidden), "{line}");
}
