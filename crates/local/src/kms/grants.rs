//! Grants: each allows one principal some operations on one key, in addition to policies.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    error::KmsError,
    input::{Input, PageSize, with},
    keys::enabled,
    spec::Spec,
    store::{ACCOUNT, Key, Store, Usage},
};

/// A grant, which belongs to its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Grant {
    name: Option<String>,
    grantee: String,
    retiring: Option<String>,
    operations: BTreeSet<String>,
    created: f64,
}

/// Whom the grants on a key allow an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Granted {
    No,
    /// The caller's account, whose IAM policies decide further.
    ToAccount,
    ToCaller,
}

pub(super) fn create(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let grantee = input
        .principal("GranteePrincipal")?
        .ok_or_else(|| KmsError::constraint("granteePrincipal", "not be null"))?;
    let retiring = input.principal("RetiringPrincipal")?;
    let name = name(input)?;
    let operations: BTreeSet<_> =
        input.texts("Operations")?.into_iter().map(str::to_owned).collect();
    if operations.is_empty() || !operations.iter().all(|name| OPERATIONS.contains(&&**name)) {
        let set = "satisfy constraint: [Member must satisfy enum value set]";
        return Err(KmsError::constraint("operations", set));
    }
    if input.has("Constraints") {
        // KMS has constraints for symmetric encryption keys only.
        let message = "grant constraints are not supported on this machine";
        return Err(KmsError::new("UnsupportedOperationException", message));
    }
    let (id, created) = (key_id(store, input)?, store.now());
    let arn = store.key_arn(&id);
    let key = store.find_key_mut(&id)?;
    enabled(key, &arn)?;
    if let Some(operation) = operations.iter().find(|operation| !supports(key, operation)) {
        let message = format!("Operation {operation} is not supported for grants on {arn}.");
        return Err(KmsError::validation(message));
    }
    input.dry_run()?;
    let grant = Grant { name, grantee, retiring, operations, created };
    let retried = key.grants.iter().find(|(_, other)| grant.is_retry_of(other));
    let grant_id = match retried {
        Some((id, _)) => id.clone(),
        None => new_id(),
    };
    key.grants.entry(grant_id.clone()).or_insert(grant);
    // The token is unique to this request; all tokens of a grant can be used interchangeably.
    let token = STANDARD.encode(format!("{id}:{grant_id}:{}", Uuid::new_v4()));
    Ok(json!({"GrantId": grant_id, "GrantToken": token}))
}

pub(super) fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let (id, grantee) = (input.text_within("GrantId", 128)?, input.principal("GranteePrincipal")?);
    check_marker(input)?;
    let key = store.find_key(&key_id(store, input)?)?;
    let rows = key.grants.iter().filter(|(grant_id, grant)| {
        id.is_none_or(|id| id == *grant_id)
            && grantee.as_ref().is_none_or(|grantee| *grantee == grant.grantee)
    });
    let rows = rows.map(|(id, grant)| (&**id, grant.entry(store, key, id)));
    input.page("Grants", &PageSize::GRANTS, rows)
}

pub(super) fn list_retirable(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let retiring = input
        .principal("RetiringPrincipal")?
        .ok_or_else(|| KmsError::constraint("retiringPrincipal", "not be null"))?;
    check_marker(input)?;
    let grants = store.keys.values().flat_map(|key| key.grants.iter().map(move |row| (key, row)));
    let mut rows = BTreeMap::new();
    for (key, (id, grant)) in grants {
        if grant.retiring.as_ref() == Some(&retiring) {
            rows.insert(&**id, grant.entry(store, key, id));
        }
    }
    input.page("Grants", &PageSize::GRANTS, rows.into_iter())
}

pub(super) fn revoke(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let id = grant_id(input)?;
    let key = key_id(store, input)?;
    delete(store, input, &key, id)
}

pub(super) fn retire(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let (key, id) = to_retire(store, input)?;
    delete(store, input, &key, &id)
}

/// The ids of the key and the grant that `RetireGrant` names.
pub(super) fn to_retire(store: &Store, input: &Input) -> Result<(String, String), KmsError> {
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

/// Whether the key's grants allow the caller, or its account, this operation.
pub(super) fn granted(key: &Key, caller: &str, operation: &str, input: &Input) -> Granted {
    let allows = |grant: &Grant| {
        grant.operations.contains(operation)
            && (operation != "CreateGrant" || grant.may_be_parent(input))
    };
    let mut granted = Granted::No;
    for grant in key.grants.values().filter(|grant| allows(grant)) {
        if grant.grantee == caller {
            return Granted::ToCaller;
        }
        if grant.grantee == account() {
            granted = Granted::ToAccount;
        }
    }
    granted
}

/// Whether the grant itself lets the caller retire it.
pub(super) fn may_retire(key: &Key, grant_id: &str, caller: &str) -> bool {
    key.grants.get(grant_id).is_some_and(|grant| {
        grant.retiring.as_deref() == Some(caller)
            || (grant.grantee == caller && grant.operations.contains("RetireGrant"))
    })
}

impl Grant {
    /// A request with the name and everything else of an existing grant is a retry.
    fn is_retry_of(&self, other: &Self) -> bool {
        self.name.is_some() && *self == Self { created: self.created, ..other.clone() }
    }

    /// A grant that is created through this one allows no more than this one ("Granting `CreateGrant`
    /// permission" in the developer guide).
    fn may_be_parent(&self, child: &Input) -> bool {
        child.texts("Operations").is_ok_and(|operations| {
            operations.into_iter().all(|operation| self.operations.contains(operation))
        })
    }

    fn entry(&self, store: &Store, key: &Key, id: &str) -> Value {
        let entry = json!({
            "KeyId": store.key_arn(&key.id),
            "GrantId": id,
            "CreationDate": self.created,
            "GranteePrincipal": self.grantee,
            "IssuingAccount": account(),
            "Operations": self.operations,
        });
        with(entry, [("Name", json!(self.name)), ("RetiringPrincipal", json!(self.retiring))])
    }
}

fn delete(store: &mut Store, input: &Input, key: &str, id: &str) -> Result<Value, KmsError> {
    let grants = &mut store.find_key_mut(key)?.grants;
    if !grants.contains_key(id) {
        return Err(KmsError::new("NotFoundException", format!("Grant ID {id} not found")));
    }
    input.dry_run()?;
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

/// Whether a grant on the key can allow the operation ("Grant operations" in the developer guide).
fn supports(key: &Key, operation: &str) -> bool {
    let own: &[&str] = match (key.usage, key.spec) {
        (Usage::SignVerify, _) => &["Sign", "Verify", "GetPublicKey"],
        (Usage::EncryptDecrypt, Spec::SymmetricDefault) => &[
            "Encrypt",
            "Decrypt",
            "ReEncryptFrom",
            "ReEncryptTo",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
        ],
        (Usage::EncryptDecrypt, _) => {
            &["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"]
        }
    };
    own.contains(&operation) || ["CreateGrant", "DescribeKey", "RetireGrant"].contains(&operation)
}

fn grant_id(input: &Input) -> Result<&str, KmsError> {
    let id = input.text_within("GrantId", 128)?;
    id.ok_or_else(|| KmsError::constraint("GrantId", "not be null"))
}

fn name(input: &Input) -> Result<Option<String>, KmsError> {
    let Some(name) = input.text_within("Name", 256)? else { return Ok(None) };
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-".contains(c)) {
        return Err(KmsError::constraint("name", "satisfy regular expression pattern"));
    }
    Ok(Some(name.to_owned()))
}

/// A marker is the id of the last grant of the page before.
fn check_marker(input: &Input) -> Result<(), KmsError> {
    let is_id = |marker: &str| marker.len() == 64 && marker.bytes().all(|b| b.is_ascii_hexdigit());
    match input.text("Marker")? {
        Some(marker) if !is_id(marker) => {
            Err(KmsError::new("InvalidMarkerException", "Invalid marker"))
        }
        _ => Ok(()),
    }
}

fn new_id() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn account() -> String {
    format!("arn:aws:iam::{ACCOUNT}:root")
}

/// `GrantOperation` of the service model.
const OPERATIONS: [&str; 17] = [
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

    use super::super::{
        State,
        fixture::{assert_rows, state},
        lock,
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

    fn listed(state: &State, input: &Value) -> Vec<Value> {
        state.call("ListGrants", input).unwrap()["Grants"].as_array().unwrap().clone()
    }

    #[test]
    fn what_create_grant_refuses() {
        let state = state();
        let key = state.create("RSA_2048", "SIGN_VERIFY");
        let other = state.create("RSA_2048", "ENCRYPT_DECRYPT");
        let symmetric = state.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        let disabled = state.create("ECC_NIST_P256", "SIGN_VERIFY");
        state.call("DisableKey", &json!({"KeyId": disabled})).unwrap();
        let pending = state.create("ECC_NIST_P256", "SIGN_VERIFY");
        state.call("ScheduleKeyDeletion", &json!({"KeyId": pending})).unwrap();
        let alias = json!({"AliasName": "alias/a", "TargetKeyId": key});
        state.call("CreateAlias", &alias).unwrap();
        let arn = |resource: &str| format!("arn:aws:kms:us-east-1:000000000000:{resource}");
        let of = |changes| grant(&key, changes);
        let operations = |operations: &[&str]| of(json!({"Operations": operations}));
        let invalid = Some("ValidationException");
        let all = ["Sign", "Verify", "GetPublicKey", "DescribeKey", "CreateGrant", "RetireGrant"];
        let rows = [
            ("as it is", of(json!({})), None),
            ("by ARN", grant(&arn(&format!("key/{key}")), json!({})), None),
            ("every operation of a key that signs", operations(&all), None),
            ("tokens", of(json!({"GrantTokens": ["x"]})), None),
            ("empty constraints", of(json!({"Constraints": {}})), None),
            ("by alias", grant("alias/a", json!({})), Some("InvalidArnException")),
            ("by the alias's ARN", grant(&arn("alias/a"), json!({})), Some("InvalidArnException")),
            ("no such key", grant(&arn("key/x"), json!({})), Some("NotFoundException")),
            ("no grantee", of(json!({"GranteePrincipal": null})), invalid),
            (
                "a service as grantee",
                of(json!({"GranteePrincipal": "lambda.amazonaws.com"})),
                Some("InvalidArnException"),
            ),
            (
                "a service to retire it",
                of(json!({"RetiringPrincipal": "lambda.amazonaws.com"})),
                Some("InvalidArnException"),
            ),
            ("no operations", of(json!({"Operations": null})), invalid),
            ("an empty list of operations", operations(&[]), invalid),
            ("no list", of(json!({"Operations": "Sign"})), Some("SerializationException")),
            ("an operation of none", operations(&["Sign", "ScheduleKeyDeletion"]), invalid),
            ("an operation of another key", operations(&["Sign", "Encrypt"]), invalid),
            ("to sign with a key that encrypts", grant(&other, json!({})), invalid),
            ("to sign with a symmetric key", grant(&symmetric, json!({})), invalid),
            (
                "to encrypt",
                grant(&symmetric, json!({"Operations": ["Encrypt", "GenerateDataKeyPair"]})),
                None,
            ),
            ("a disabled key", grant(&disabled, json!({})), Some("DisabledException")),
            ("a key on its way out", grant(&pending, json!({})), Some("KMSInvalidStateException")),
            ("a name", of(json!({"Name": "a:b/c_d-1"})), None),
            ("a name with a space", of(json!({"Name": "a b"})), invalid),
            ("an empty name", of(json!({"Name": ""})), invalid),
            (
                "constraints",
                of(json!({"Constraints": {"EncryptionContextEquals": {"a": "b"}}})),
                Some("UnsupportedOperationException"),
            ),
            ("a trial", of(json!({"DryRun": true})), Some("DryRunOperationException")),
        ];
        assert_rows(rows.map(|(name, input, expected)| {
            (name, state.call("CreateGrant", &input).err(), expected)
        }));
    }

    #[test]
    fn a_named_grant_is_created_once() {
        let state = state();
        let key = state.create("RSA_2048", "SIGN_VERIFY");
        let create = |changes| {
            let created = state.call("CreateGrant", &grant(&key, changes)).unwrap();
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
        assert_ne!(create(json!({})).0, create(json!({})).0, "without a name each is another");
        assert_eq!(listed(&state, &json!({"KeyId": key})).len(), 8);
    }

    #[test]
    fn grants_are_listed_in_pages() {
        let state = state();
        lock(&state.store).set_time(SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
        let key = state.create("RSA_2048", "SIGN_VERIFY");
        let other = state.create("RSA_2048", "SIGN_VERIFY");
        let create = |key: &str, changes| {
            let created = state.call("CreateGrant", &grant(key, changes)).unwrap();
            created["GrantId"].as_str().unwrap().to_owned()
        };
        let retiring = json!({"Name": "n", "RetiringPrincipal": USER, "Operations": ["Sign"]});
        let first = create(&key, retiring);
        let mut ids = vec![first.clone()];
        ids.extend((0..3).map(|_| create(&key, json!({"GranteePrincipal": USER}))));
        ids.sort();
        create(&other, json!({}));
        let arn = format!("arn:aws:kms:us-east-1:000000000000:key/{key}");
        let whole = json!({
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
        assert_eq!(listed(&state, &by_id(&first)), std::slice::from_ref(&whole));
        let retirable = state.call("ListRetirableGrants", &json!({"RetiringPrincipal": USER}));
        assert_eq!(retirable.unwrap(), json!({"Grants": [whole], "Truncated": false}));
        let names = |input| {
            let rows = listed(&state, &input);
            rows.iter().map(|row| row["GrantId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let rows = [
            ("all", json!({"KeyId": key}), ids.clone()),
            ("by ARN", json!({"KeyId": arn}), ids.clone()),
            ("of a grantee", json!({"KeyId": key, "GranteePrincipal": ISSUER}), vec![first]),
            ("of nobody", json!({"KeyId": other, "GranteePrincipal": USER}), vec![]),
            ("no such grant", by_id("x"), vec![]),
        ];
        for (name, input, expected) in rows {
            assert_eq!(names(input), expected, "{name}");
        }
        let (mut paged, mut marker) = (Vec::new(), Value::Null);
        loop {
            let input = json!({"KeyId": key, "Limit": 3, "Marker": marker});
            let page = state.call("ListGrants", &input).unwrap();
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
        state.call("CreateAlias", &alias).unwrap();
        let rows = [
            ("no key", json!({}), "ValidationException"),
            ("an alias", json!({"KeyId": "alias/a"}), "InvalidArnException"),
            ("no such key", json!({"KeyId": "x"}), "NotFoundException"),
            ("a page too long", json!({"KeyId": key, "Limit": 101}), "ValidationException"),
            ("no marker", json!({"KeyId": key, "Marker": "x"}), "InvalidMarkerException"),
        ];
        for (name, input, expected) in rows {
            assert_eq!(state.call("ListGrants", &input), Err(expected), "{name}");
        }
        state.call("DisableKey", &json!({"KeyId": key})).unwrap();
        assert_eq!(names(json!({"KeyId": key})), ids, "of a disabled key too");
    }

    #[test]
    fn grants_end_when_they_are_revoked_or_retired() {
        let state = state();
        let key = state.create("RSA_2048", "SIGN_VERIFY");
        let create = || state.call("CreateGrant", &grant(&key, json!({}))).unwrap();
        let (one, two, three) = (create(), create(), create());
        let by_id = |grant: &Value| json!({"KeyId": key, "GrantId": grant["GrantId"]});
        let by_token = |grant: &Value| json!({"GrantToken": grant["GrantToken"]});
        let rows = [
            ("RevokeGrant", json!({"KeyId": key}), Some("ValidationException")),
            ("RevokeGrant", json!({"GrantId": one["GrantId"]}), Some("ValidationException")),
            ("RevokeGrant", by_token(&one), Some("ValidationException")),
            ("RevokeGrant", json!({"KeyId": key, "GrantId": "x"}), Some("NotFoundException")),
            ("RevokeGrant", by_id(&one), None),
            ("RevokeGrant", by_id(&one), Some("NotFoundException")),
            ("RetireGrant", json!({}), Some("ValidationException")),
            ("RetireGrant", json!({"KeyId": key}), Some("ValidationException")),
            ("RetireGrant", json!({"GrantToken": "x"}), Some("InvalidGrantTokenException")),
            ("RetireGrant", by_token(&one), Some("NotFoundException")),
            ("RetireGrant", by_token(&two), None),
            ("RetireGrant", by_id(&three), None),
            ("RetireGrant", by_id(&three), Some("NotFoundException")),
        ];
        for (step, (operation, input, expected)) in rows.into_iter().enumerate() {
            let trial = json!({"DryRun": true});
            let mut dry = input.clone();
            dry.as_object_mut().unwrap().extend(trial.as_object().unwrap().clone());
            let tried = expected.unwrap_or("DryRunOperationException");
            assert_eq!(state.call(operation, &dry), Err(tried), "{step}: {operation} {input}");
            assert_eq!(state.call(operation, &input).err(), expected, "{step}: {input}");
        }
        assert_eq!(listed(&state, &json!({"KeyId": key})), [] as [Value; 0]);
    }

    #[test]
    fn grants_stay_with_their_key() {
        let state = state();
        let start = SystemTime::now();
        let key = state.create("RSA_2048", "SIGN_VERIFY");
        let by_key = json!({"KeyId": key});
        let retiring = grant(&key, json!({"RetiringPrincipal": USER}));
        state.call("CreateGrant", &retiring).unwrap();
        let policy = json!({"KeyId": key, "Policy": r#"{"Statement": []}"#});
        state.call("PutKeyPolicy", &policy).unwrap();
        assert_eq!(listed(&state, &by_key).len(), 1, "another policy");
        state.call("ScheduleKeyDeletion", &by_key).unwrap();
        assert_eq!(listed(&state, &by_key).len(), 1, "on its way out");
        lock(&state.store).set_time(start + Duration::from_hours(24 * 31));
        assert_eq!(state.call("ListGrants", &by_key), Err("NotFoundException"));
        let retirable = state.call("ListRetirableGrants", &json!({"RetiringPrincipal": USER}));
        assert_eq!(retirable.unwrap()["Grants"], json!([]));
    }
}
