//! Operations on grants.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::keys::require_enabled;
use crate::{
    account::ACCOUNT,
    kms::{
        crypto::KeySpec,
        error::KmsError,
        input::Input,
        output::with_present,
        pages::PageSize,
        store::{Grant, KeyUsage, Store, StoredKey},
    },
};

pub(crate) fn create(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let grantee = input
        .principal("GranteePrincipal")?
        .ok_or_else(|| KmsError::constraint("granteePrincipal", "not be null"))?;
    let retiring = input.principal("RetiringPrincipal")?;
    let name = grant_name(input)?;
    let operations: BTreeSet<_> =
        input.texts("Operations")?.into_iter().map(str::to_owned).collect();
    if operations.is_empty() || !operations.iter().all(|name| GRANT_OPERATIONS.contains(&&**name)) {
        let constraint = "satisfy constraint: [Member must satisfy enum value set]";
        return Err(KmsError::constraint("operations", constraint));
    }
    if input.has("Constraints") {
        // KMS supports constraints for symmetric encryption keys only, which sign no tokens.
        let message = "grant constraints are not supported on this machine";
        return Err(KmsError::new("UnsupportedOperationException", message));
    }
    let (id, created) = (key_id(store, input)?, store.now());
    let arn = store.key_arn(&id);
    let key = store.find_key_mut(&id)?;
    require_enabled(key, &arn)?;
    if let Some(operation) = operations.iter().find(|operation| !can_be_granted(key, operation)) {
        let message = format!("Operation {operation} is not supported for grants on {arn}.");
        return Err(KmsError::validation(message));
    }
    input.end_dry_run()?;
    let grant = Grant { name, grantee, retiring, operations, created };
    let retried = key.grants.iter().find(|(_, other)| grant.is_retry_of(other));
    let grant_id = match retried {
        Some((id, _)) => id.clone(),
        None => new_grant_id(),
    };
    key.grants.entry(grant_id.clone()).or_insert(grant);
    // Each request returns a token of its own; all tokens of a grant are equivalent (`CreateGrant` in the API
    // reference).
    let token = STANDARD.encode(format!("{id}:{grant_id}:{}", Uuid::new_v4()));
    Ok(json!({"GrantId": grant_id, "GrantToken": token}))
}

pub(crate) fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let (id, grantee) = (input.text_within("GrantId", 128)?, input.principal("GranteePrincipal")?);
    check_marker(input)?;
    let key = store.find_key(&key_id(store, input)?)?;
    let rows = key.grants.iter().filter(|(grant_id, grant)| {
        id.is_none_or(|id| id == *grant_id)
            && grantee.as_ref().is_none_or(|grantee| *grantee == grant.grantee)
    });
    let rows = rows.map(|(id, grant)| (&**id, entry(store, key, id, grant)));
    input.page("Grants", &PageSize::GRANTS, rows)
}

pub(crate) fn list_retirable(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let retiring = input
        .principal("RetiringPrincipal")?
        .ok_or_else(|| KmsError::constraint("retiringPrincipal", "not be null"))?;
    check_marker(input)?;
    let grants = store.keys.values().flat_map(|key| key.grants.iter().map(move |row| (key, row)));
    let mut rows = BTreeMap::new();
    for (key, (id, grant)) in grants {
        if grant.retiring.as_ref() == Some(&retiring) {
            rows.insert(&**id, entry(store, key, id, grant));
        }
    }
    input.page("Grants", &PageSize::GRANTS, rows.into_iter())
}

pub(crate) fn revoke(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let id = grant_id(input)?;
    let key = key_id(store, input)?;
    delete(store, input, &key, id)
}

pub(crate) fn retire(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let (key, id) = grant_to_retire(store, input)?;
    delete(store, input, &key, &id)
}

/// The ids of the key and the grant that a `RetireGrant` request names.
pub(crate) fn grant_to_retire(store: &Store, input: &Input) -> Result<(String, String), KmsError> {
    let Some(token) = input.text_within("GrantToken", 8192)? else {
        return Ok((key_id(store, input)?, grant_id(input)?.to_owned()));
    };
    let token = STANDARD.decode(token).ok().and_then(|token| String::from_utf8(token).ok());
    let ids = token.as_deref().and_then(|token| {
        let mut parts = token.split(':');
        parts.next().zip(parts.next()).filter(|_| parts.next().is_some())
    });
    let (key, id) =
        ids.ok_or_else(|| KmsError::new("InvalidGrantTokenException", "Invalid grant token"))?;
    Ok((key.to_owned(), id.to_owned()))
}

/// A grant as the List operations return it.
fn entry(store: &Store, key: &StoredKey, id: &str, grant: &Grant) -> Value {
    let entry = json!({
        "KeyId": store.key_arn(&key.id),
        "GrantId": id,
        "CreationDate": grant.created,
        "GranteePrincipal": grant.grantee,
        "IssuingAccount": account_arn(),
        "Operations": grant.operations,
    });
    with_present(entry, [("Name", json!(grant.name)), ("RetiringPrincipal", json!(grant.retiring))])
}

fn delete(store: &mut Store, input: &Input, key: &str, id: &str) -> Result<Value, KmsError> {
    let grants = &mut store.find_key_mut(key)?.grants;
    if !grants.contains_key(id) {
        return Err(KmsError::new("NotFoundException", format!("Grant ID {id} not found")));
    }
    input.end_dry_run()?;
    grants.remove(id);
    Ok(Value::Null)
}

/// The id of the key that the request names by id or ARN.
fn key_id(store: &Store, input: &Input) -> Result<String, KmsError> {
    let name = input.required("KeyId")?;
    if store.alias_name(name).is_some() {
        let message = "Key Aliases are not supported for this operation.";
        return Err(KmsError::new("InvalidArnException", message));
    }
    Ok(store.find_key(name)?.id.clone())
}

/// Whether a grant on the key can allow an operation ("Grant operations" in the developer guide).
fn can_be_granted(key: &StoredKey, operation: &str) -> bool {
    let specific: &[&str] = match (key.usage, key.spec) {
        (KeyUsage::SignVerify, _) => &["Sign", "Verify", "GetPublicKey"],
        (KeyUsage::EncryptDecrypt, KeySpec::SymmetricDefault) => &[
            "Encrypt",
            "Decrypt",
            "ReEncryptFrom",
            "ReEncryptTo",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
        ],
        (KeyUsage::EncryptDecrypt, _) => {
            &["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"]
        }
    };
    specific.contains(&operation)
        || ["CreateGrant", "DescribeKey", "RetireGrant"].contains(&operation)
}

fn grant_id(input: &Input) -> Result<&str, KmsError> {
    let id = input.text_within("GrantId", 128)?;
    id.ok_or_else(|| KmsError::constraint("GrantId", "not be null"))
}

fn grant_name(input: &Input) -> Result<Option<String>, KmsError> {
    let Some(name) = input.text_within("Name", 256)? else { return Ok(None) };
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-".contains(c)) {
        return Err(KmsError::constraint("name", "satisfy regular expression pattern"));
    }
    Ok(Some(name.to_owned()))
}

/// Checks the form of a marker: the id of the last grant of the previous page.
fn check_marker(input: &Input) -> Result<(), KmsError> {
    let is_id = |marker: &str| marker.len() == 64 && marker.bytes().all(|b| b.is_ascii_hexdigit());
    match input.text("Marker")? {
        Some(marker) if !is_id(marker) => {
            Err(KmsError::new("InvalidMarkerException", "Invalid marker"))
        }
        _ => Ok(()),
    }
}

fn new_grant_id() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn account_arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:root")
}

/// `GrantOperation` of the service model.
const GRANT_OPERATIONS: [&str; 17] = [
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
];

#[cfg(test)]
mod tests {
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
    fn create_grant_validates_its_request() {
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
                "operations that are no list",
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
            (
                "a key pending deletion",
                grant(&pending, json!({})),
                Some("KMSInvalidStateException"),
            ),
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
        assert_ne!(
            create(json!({})).0,
            create(json!({})).0,
            "grants without a name are all different"
        );
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
            (
                "of a grantee without grants",
                json!({"KeyId": other, "GranteePrincipal": USER}),
                vec![],
            ),
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
            (
                "a limit that is too high",
                json!({"KeyId": key, "Limit": 101}),
                "ValidationException",
            ),
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
}
