//! The file in which the keys are saved.

use std::{fs, path::PathBuf};

use countersign_local::kms::Kms;
use serde_json::{Value, json};

use crate::{call_as, create, outcome, start};

/// Everything that a client can read.
fn contents(kms: &Kms, key: &str) -> Vec<Value> {
    let reads = [
        ("ListKeys", json!({})),
        ("ListAliases", json!({})),
        ("DescribeKey", json!({"KeyId": key})),
        ("ListResourceTags", json!({"KeyId": key})),
        ("ListGrants", json!({"KeyId": key})),
        ("GetKeyPolicy", json!({"KeyId": key})),
    ];
    reads.map(|(operation, input)| call_as(kms, "tester", operation, &input).1).to_vec()
}

#[tokio::test]
async fn a_change_that_cannot_be_saved_is_undone() {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("countersign-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&folder).unwrap();
    let file = folder.join("kms.json");
    let kms = start(Some(file.clone())).await;
    let id = create(&kms);
    let alias = |name: &str| json!({"AliasName": name, "TargetKeyId": id});
    assert_eq!(outcome(&kms, "CreateAlias", &alias("alias/a")).0, 200);
    let (before, saved) = (contents(&kms, &id), fs::read(&file).unwrap());
    // A folder of this name is in the way of the new file.
    let obstacle = folder.join("kms.next");
    fs::create_dir(&obstacle).unwrap();
    let tags = json!([{"TagKey": "a", "TagValue": "b"}]);
    let grantee = "arn:aws:iam::000000000000:role/a";
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "kms:*", "Resource": "*",
        },
    });
    let changes = [
        ("CreateKey", json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})),
        ("CreateAlias", alias("alias/b")),
        ("UpdateAlias", alias("alias/a")),
        ("DeleteAlias", json!({"AliasName": "alias/a"})),
        ("TagResource", json!({"KeyId": id, "Tags": tags})),
        ("CreateGrant", json!({"KeyId": id, "GranteePrincipal": grantee, "Operations": ["Sign"]})),
        ("PutKeyPolicy", json!({"KeyId": id, "Policy": policy.to_string()})),
        ("DisableKey", json!({"KeyId": id})),
        ("ScheduleKeyDeletion", json!({"KeyId": id})),
    ];
    for (operation, input) in &changes {
        let failed = (500, "KMSInternalException".to_owned());
        assert_eq!(outcome(&kms, operation, input), failed, "{operation}");
        assert_eq!(contents(&kms, &id), before, "{operation}");
    }
    assert_eq!(fs::read(&file).unwrap(), saved);
    fs::remove_dir(&obstacle).unwrap();
    for (operation, input) in &changes {
        assert_eq!(outcome(&kms, operation, input).0, 200, "{operation}");
    }
    assert_ne!(contents(&kms, &id), before);
    let after = contents(&kms, &id);
    let copy = folder.join("copy.json");
    fs::copy(&file, &copy).unwrap();
    let restored = start(Some(copy)).await;
    assert_eq!(contents(&restored, &id), after);
    fs::remove_dir_all(folder).unwrap();
}
