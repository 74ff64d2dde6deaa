use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::kms::{
    fixture::{assert_rows, service},
    service::KmsService,
    store::lock,
};

const ISSUER: &str = "arn:aws:iam::000000000000:role/path/issuer";
const USER: &str = "arn:aws:iam::000000000000:user/ann";

fn grant(key: &str, changes: Value) -> Value {
    let mut input = json!({
        "KeyId": key, "GranteePrincipal": ISSUER, "Operations": ["Sign", "GetPublicKey"],
    });
    let Value::Object(changes) = changes else { panic!("an object") };
    input.as_object_mut().unwrap().extend(changes);
    input
}

fn listed(service: &KmsService, input: &Value) -> Vec<Value> {
    service.call("ListGrants", input).unwrap()["Grants"].as_array().unwrap().clone()
}

#[test]
fn invalid_create_grant_request_is_refused() {
    let service = service();
    let key = service.create("RSA_2048", "SIGN_VERIFY");
    let other = service.create("RSA_2048", "ENCRYPT_DECRYPT");
    let symmetric = service.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
    let disabled = service.create("ECC_NIST_P256", "SIGN_VERIFY");
    service.call("DisableKey", &json!({"KeyId": disabled})).unwrap();
    let pending = service.create("ECC_NIST_P256", "SIGN_VERIFY");
    service.call("ScheduleKeyDeletion", &json!({"KeyId": pending})).unwrap();
    let alias = json!({"AliasName": "alias/a", "TargetKeyId": key});
    service.call("CreateAlias", &alias).unwrap();
    let arn = |resource: &str| format!("arn:aws:kms:us-east-1:000000000000:{resource}");
    let of = |changes| grant(&key, changes);
    let operations = |operations: &[&str]| of(json!({"Operations": operations}));
    let invalid = Some("ValidationException");
    let all = ["Sign", "Verify", "GetPublicKey", "DescribeKey", "CreateGrant", "RetireGrant"];
    let rows = [
        ("a valid request", of(json!({})), None),
        ("by ARN", grant(&arn(&format!("key/{key}")), json!({})), None),
        ("every operation of a signing key", operations(&all), None),
        ("grant tokens", of(json!({"GrantTokens": ["x"]})), None),
        ("empty constraints", of(json!({"Constraints": {}})), None),
        ("by alias", grant("alias/a", json!({})), Some("InvalidArnException")),
        ("by the alias's ARN", grant(&arn("alias/a"), json!({})), Some("InvalidArnException")),
        ("an unknown key", grant(&arn("key/x"), json!({})), Some("NotFoundException")),
        ("no grantee", of(json!({"GranteePrincipal": null})), invalid),
        (
            "a service as grantee",
            of(json!({"GranteePrincipal": "lambda.amazonaws.com"})),
            Some("InvalidArnException"),
        ),
        (
            "a service as retiring principal",
            of(json!({"RetiringPrincipal": "lambda.amazonaws.com"})),
            Some("InvalidArnException"),
        ),
        ("no operations", of(json!({"Operations": null})), invalid),
        ("an empty list of operations", operations(&[]), invalid),
        (
            "operations that are not a list",
            of(json!({"Operations": "Sign"})),
            Some("SerializationException"),
        ),
        (
            "an operation that cannot be granted",
            operations(&["Sign", "ScheduleKeyDeletion"]),
            invalid,
        ),
        ("an operation of another key usage", operations(&["Sign", "Encrypt"]), invalid),
        ("Sign for an encryption key", grant(&other, json!({})), invalid),
        ("Sign for a symmetric key", grant(&symmetric, json!({})), invalid),
        (
            "Encrypt for a symmetric key",
            grant(&symmetric, json!({"Operations": ["Encrypt", "GenerateDataKeyPair"]})),
            None,
        ),
        ("a disabled key", grant(&disabled, json!({})), Some("DisabledException")),
        ("a key pending deletion", grant(&pending, json!({})), Some("KMSInvalidStateException")),
        ("a name", of(json!({"Name": "a:b/c_d-1"})), None),
        ("a name with a space", of(json!({"Name": "a b"})), invalid),
        ("an empty name", of(json!({"Name": ""})), invalid),
        (
            "constraints",
            of(json!({"Constraints": {"EncryptionContextEquals": {"a": "b"}}})),
            Some("UnsupportedOperationException"),
        ),
        ("a dry run", of(json!({"DryRun": true})), Some("DryRunOperationException")),
    ];
    assert_rows(rows.map(|(name, input, expected)| {
        (name, service.call("CreateGrant", &input).err(), expected)
    }));
}

#[test]
fn a_named_grant_is_created_once() {
    let service = service();
    let key = service.create("RSA_2048", "SIGN_VERIFY");
    let create = |changes| {
        let created = service.call("CreateGrant", &grant(&key, changes)).unwrap();
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        (text("GrantId"), text("GrantToken"))
    };
    let (first, token) = create(json!({"Name": "a"}));
    let rows = [
        (json!({"Name": "a"}), true),
        (json!({"Name": "a", "Operations": ["GetPublicKey", "Sign", "Sign"]}), true),
        (json!({"Name": "b"}), false),
        (json!({}), false),
        (json!({"Name": "a", "Operations": ["Sign"]}), false),
        (json!({"Name": "a", "GranteePrincipal": USER}), false),
        (json!({"Name": "a", "RetiringPrincipal": USER}), false),
    ];
    for (changes, same) in rows {
        let (id, another) = create(changes.clone());
        assert_eq!(id == first, same, "{changes}");
        assert_ne!(another, token, "{changes}");
    }
    assert_ne!(create(json!({})).0, create(json!({})).0, "grants without a name are all different");
    assert_eq!(listed(&service, &json!({"KeyId": key})).len(), 8);
}

#[test]
fn grants_are_listed_in_pages() {
    let service = service();
    lock(&service.store).set_time(SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
    let key = service.create("RSA_2048", "SIGN_VERIFY");
    let other = service.create("RSA_2048", "SIGN_VERIFY");
    let create = |key: &str, changes| {
        let created = service.call("CreateGrant", &grant(key, changes)).unwrap();
        created["GrantId"].as_str().unwrap().to_owned()
    };
    let retiring = json!({"Name": "n", "RetiringPrincipal": USER, "Operations": ["Sign"]});
    let first = create(&key, retiring);
    let mut ids = vec![first.clone()];
    ids.extend((0..3).map(|_| create(&key, json!({"GranteePrincipal": USER}))));
    ids.sort();
    create(&other, json!({}));
    let arn = format!("arn:aws:kms:us-east-1:000000000000:key/{key}");
    let entry = json!({
        "KeyId": arn,
        "GrantId": first,
        "Name": "n",
        "CreationDate": 1000.0,
        "GranteePrincipal": ISSUER,
        "RetiringPrincipal": USER,
        "IssuingAccount": "arn:aws:iam::000000000000:root",
        "Operations": ["Sign"],
    });
    let by_id = |id: &str| json!({"KeyId": key, "GrantId": id});
    assert_eq!(listed(&service, &by_id(&first)), std::slice::from_ref(&entry));
    let retirable = service.call("ListRetirableGrants", &json!({"RetiringPrincipal": USER}));
    assert_eq!(retirable.unwrap(), json!({"Grants": [entry], "Truncated": false}));
    let names = |input| {
        let rows = listed(&service, &input);
        rows.iter().map(|row| row["GrantId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let rows = [
        ("all", json!({"KeyId": key}), ids.clone()),
        ("by ARN", json!({"KeyId": arn}), ids.clone()),
        ("of a grantee", json!({"KeyId": key, "GranteePrincipal": ISSUER}), vec![first]),
        ("of a grantee without grants", json!({"KeyId": other, "GranteePrincipal": USER}), vec![]),
        ("an unknown grant", by_id("x"), vec![]),
    ];
    for (name, input, expected) in rows {
        assert_eq!(names(input), expected, "{name}");
    }
    let (mut paged, mut marker) = (Vec::new(), Value::Null);
    loop {
        let input = json!({"KeyId": key, "Limit": 3, "Marker": marker});
        let page = service.call("ListGrants", &input).unwrap();
        let rows = page["Grants"].as_array().unwrap();
        paged.extend(rows.iter().map(|row| row["GrantId"].as_str().unwrap().to_owned()));
        marker = page["NextMarker"].clone();
        assert_eq!(page["Truncated"], !marker.is_null());
        if marker.is_null() {
            break;
        }
    }
    assert_eq!(paged, ids);
    let alias = json!({"AliasName": "alias/a", "TargetKeyId": key});
    service.call("CreateAlias", &alias).unwrap();
    let rows = [
        ("no key id", json!({}), "ValidationException"),
        ("an alias", json!({"KeyId": "alias/a"}), "InvalidArnException"),
        ("an unknown key", json!({"KeyId": "x"}), "NotFoundException"),
        ("a limit that is too high", json!({"KeyId": key, "Limit": 101}), "ValidationException"),
        ("a malformed marker", json!({"KeyId": key, "Marker": "x"}), "InvalidMarkerException"),
    ];
    for (name, input, expected) in rows {
        assert_eq!(service.call("ListGrants", &input), Err(expected), "{name}");
    }
    service.call("DisableKey", &json!({"KeyId": key})).unwrap();
    assert_eq!(names(json!({"KeyId": key})), ids, "of a disabled key");
}

#[test]
fn grants_are_revoked_and_retired() {
    let service = service();
    let key = service.create("RSA_2048", "SIGN_VERIFY");
    let create = || service.call("CreateGrant", &grant(&key, json!({}))).unwrap();
    let (first, second, third) = (create(), create(), create());
    let by_id = |grant: &Value| json!({"KeyId": key, "GrantId": grant["GrantId"]});
    let by_token = |grant: &Value| json!({"GrantToken": grant["GrantToken"]});
    let rows = [
        ("RevokeGrant", json!({"KeyId": key}), Some("ValidationException")),
        ("RevokeGrant", json!({"GrantId": first["GrantId"]}), Some("ValidationException")),
        ("RevokeGrant", by_token(&first), Some("ValidationException")),
        ("RevokeGrant", json!({"KeyId": key, "GrantId": "x"}), Some("NotFoundException")),
        ("RevokeGrant", by_id(&first), None),
        ("RevokeGrant", by_id(&first), Some("NotFoundException")),
        ("RetireGrant", json!({}), Some("ValidationException")),
        ("RetireGrant", json!({"KeyId": key}), Some("ValidationException")),
        ("RetireGrant", json!({"GrantToken": "x"}), Some("InvalidGrantTokenException")),
        ("RetireGrant", by_token(&first), Some("NotFoundException")),
        ("RetireGrant", by_token(&second), None),
        ("RetireGrant", by_id(&third), None),
        ("RetireGrant", by_id(&third), Some("NotFoundException")),
    ];
    for (step, (operation, input, expected)) in rows.into_iter().enumerate() {
        let dry_run = json!({"DryRun": true});
        let mut dry_input = input.clone();
        dry_input.as_object_mut().unwrap().extend(dry_run.as_object().unwrap().clone());
        let dry_expected = expected.unwrap_or("DryRunOperationException");
        assert_eq!(
            service.call(operation, &dry_input),
            Err(dry_expected),
            "{step}: {operation} {input}"
        );
        assert_eq!(service.call(operation, &input).err(), expected, "{step}: {input}");
    }
    assert_eq!(listed(&service, &json!({"KeyId": key})), [] as [Value; 0]);
}

#[test]
fn grants_exist_until_their_key_is_deleted() {
    let service = service();
    let start = SystemTime::now();
    let key = service.create("RSA_2048", "SIGN_VERIFY");
    let by_key = json!({"KeyId": key});
    let retiring = grant(&key, json!({"RetiringPrincipal": USER}));
    service.call("CreateGrant", &retiring).unwrap();
    let policy = json!({"KeyId": key, "Policy": r#"{"Statement": []}"#});
    service.call("PutKeyPolicy", &policy).unwrap();
    assert_eq!(listed(&service, &by_key).len(), 1, "after a new policy");
    service.call("ScheduleKeyDeletion", &by_key).unwrap();
    assert_eq!(listed(&service, &by_key).len(), 1, "pending deletion");
    lock(&service.store).set_time(start + Duration::from_hours(24 * 31));
    assert_eq!(service.call("ListGrants", &by_key), Err("NotFoundException"));
    let retirable = service.call("ListRetirableGrants", &json!({"RetiringPrincipal": USER}));
    assert_eq!(retirable.unwrap()["Grants"], json!([]));
}
