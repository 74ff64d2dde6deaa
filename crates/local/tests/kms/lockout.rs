//! Key policies: their one name, and the check that their author can replace them later.

use countersign_local::kms::Kms;
use serde_json::{Value, json};

use crate::{assert_outcomes, call_as, create, start};

fn policy(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn allow(principal: &Value, action: &str) -> Value {
    json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"})
}

#[tokio::test]
async fn a_key_has_one_policy_with_the_name_default() {
    let kms = start(None).await;
    let id = create(&kms);
    let open = policy(&json!([allow(&json!({"AWS": "000000000000"}), "kms:*")]));
    let get = |name: Value| json!({"KeyId": id, "PolicyName": name});
    let put = |name: Value| json!({"KeyId": id, "PolicyName": name, "Policy": open});
    let ok = (200, "");
    let invalid = (400, "ValidationException");
    assert_outcomes(
        &kms,
        &[
            ("read", "GetKeyPolicy", get(json!("default")), ok),
            ("read without a name", "GetKeyPolicy", get(Value::Null), ok),
            ("read another", "GetKeyPolicy", get(json!("other")), (400, "NotFoundException")),
            ("read without characters", "GetKeyPolicy", get(json!("")), invalid),
            ("read a long name", "GetKeyPolicy", get(json!("a".repeat(129))), invalid),
            ("write", "PutKeyPolicy", put(json!("default")), ok),
            ("write without a name", "PutKeyPolicy", put(Value::Null), ok),
            (
                "write another",
                "PutKeyPolicy",
                put(json!("other")),
                (400, "UnsupportedOperationException"),
            ),
        ],
    );
}

/// Whether the caller can set a policy with these statements for its key, and create a key with it.
fn accepts(kms: &Kms, key: &str, statements: &Value, bypass: bool) -> [String; 2] {
    let policy = policy(statements);
    let put = json!({"KeyId": key, "Policy": policy, "BypassPolicyLockoutSafetyCheck": bypass});
    let create = json!({
        "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Policy": policy,
        "BypassPolicyLockoutSafetyCheck": bypass,
    });
    [("PutKeyPolicy", put), ("CreateKey", create)].map(|(operation, input)| {
        let (status, body) = call_as(kms, "tester", operation, &input);
        assert_eq!(status == 200, body.get("__type").is_none(), "{body}");
        body["message"].as_str().unwrap_or_default().to_owned()
    })
}

#[tokio::test]
async fn a_policy_that_locks_its_author_out_is_rejected() {
    let kms = start(None).await;
    let id = create(&kms);
    let root = json!({"AWS": "arn:aws:iam::000000000000:root"});
    let user = json!({"AWS": "arn:aws:iam::000000000000:user/tester"});
    let other = json!({"AWS": "arn:aws:iam::000000000000:role/other"});
    let deny = json!({
        "Effect": "Deny", "Principal": user, "Action": "kms:PutKeyPolicy", "Resource": "*",
    });
    let mut conditional = allow(&root, "kms:*");
    conditional["Condition"] =
        json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::000000000000:role/other"}});
    let service = allow(&json!({"Service": "lambda.amazonaws.com"}), "kms:Sign");
    let locked = "The new key policy will not allow you to update the key policy in the future.";
    let rows = [
        ("the account", json!([allow(&root, "kms:*")]), ""),
        ("one statement without a list", allow(&root, "kms:*"), ""),
        ("the caller", json!([allow(&user, "kms:PutKeyPolicy")]), ""),
        ("a service and the account", json!([service, allow(&root, "kms:*")]), ""),
        ("another principal", json!([allow(&other, "kms:*")]), locked),
        ("another action", json!([allow(&root, "kms:Sign")]), locked),
        ("a condition on another principal", json!([conditional]), locked),
        ("a denial", json!([allow(&root, "kms:*"), deny]), locked),
        ("no statement", json!([]), locked),
    ];
    for (name, statements, expected) in rows {
        assert_eq!(accepts(&kms, &id, &statements, false), [expected; 2], "{name}");
        assert_eq!(accepts(&kms, &id, &statements, true), [""; 2], "{name}, without the check");
    }
}

#[tokio::test]
async fn a_request_without_a_signature_is_of_the_account() {
    let kms = start(None).await;
    let id = create(&kms);
    let rows = [
        ("the account", "arn:aws:iam::000000000000:root", 200),
        ("a user", "arn:aws:iam::000000000000:user/tester", 400),
    ];
    for (name, principal, status) in rows {
        let policy = policy(&json!([allow(&json!({"AWS": principal}), "kms:*")]));
        let put = json!({"KeyId": id, "Policy": policy});
        assert_eq!(call_as(&kms, "", "PutKeyPolicy", &put).0, status, "{name}");
    }
}
