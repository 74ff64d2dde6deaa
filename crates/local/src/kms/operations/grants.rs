//! Operations on grants.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    named_key::require_enabled,
    operation::{KmsOperation, Perform, Resource},
};
use crate::{
    iam::ConditionContext,
    kms::{
        crypto::KeySpec,
        error::KmsError,
        input::Input,
        output::with_present,
        pages::{MARKER_MAX_LENGTH, PageSize},
        store::{Grant, KeyUsage, Store, StoredKey},
    },
};

const PAGE_SIZE: PageSize = PageSize { default: 50, max: 100 };

/// The operations of this file.
pub(super) const ALL: &[&KmsOperation] =
    &[&CREATE_GRANT, &LIST_GRANTS, &LIST_RETIRABLE_GRANTS, &REVOKE_GRANT, &RETIRE_GRANT];

const CREATE_GRANT: KmsOperation = KmsOperation {
    name: "CreateGrant",
    perform: Perform::Locked(create),
    resource: Resource::Key,
    condition_keys: Some(creation_condition_keys),
};

const LIST_GRANTS: KmsOperation = KmsOperation {
    name: "ListGrants",
    perform: Perform::Locked(|store, input| list(store, input)),
    resource: Resource::Key,
    condition_keys: None,
};

const LIST_RETIRABLE_GRANTS: KmsOperation = KmsOperation {
    name: "ListRetirableGrants",
    perform: Perform::Locked(|store, input| list_retirable(store, input)),
    resource: Resource::RetiringPrincipal,
    condition_keys: None,
};

const REVOKE_GRANT: KmsOperation = KmsOperation {
    name: "RevokeGrant",
    perform: Perform::Locked(revoke),
    resource: Resource::Key,
    condition_keys: None,
};

const RETIRE_GRANT: KmsOperation = KmsOperation {
    name: "RetireGrant",
    perform: Perform::Locked(retire),
    resource: Resource::Grant,
    condition_keys: None,
};

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

fn creation_condition_keys(context: &mut ConditionContext, input: &Input) -> Result<(), KmsError> {
    context.set("kms:GranteePrincipal", input.text("GranteePrincipal")?);
    context.set("kms:RetiringPrincipal", input.text("RetiringPrincipal")?);
    context.set("kms:GrantOperations", input.texts("Operations")?);
    Ok(())
}

fn create(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
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
    // Each request returns a new token; all tokens of a grant are equivalent (`CreateGrant` in the API
    // reference).
    let token = STANDARD.encode(format!("{id}:{grant_id}:{}", Uuid::new_v4()));
    Ok(json!({"GrantId": grant_id, "GrantToken": token}))
}

fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let (id, grantee) = (input.text_within("GrantId", 128)?, input.principal("GranteePrincipal")?);
    check_marker(input)?;
    let key = store.find_key(&key_id(store, input)?)?;
    let rows = key.grants.iter().filter(|(grant_id, grant)| {
        id.is_none_or(|id| id == *grant_id)
            && grantee.as_ref().is_none_or(|grantee| *grantee == grant.grantee)
    });
    let rows = rows.map(|(id, grant)| (&**id, entry(store, key, id, grant)));
    input.page("Grants", &PAGE_SIZE, rows)
}

fn list_retirable(store: &Store, input: &Input) -> Result<Value, KmsError> {
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
    input.page("Grants", &PAGE_SIZE, rows.into_iter())
}

fn revoke(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let id = grant_id(input)?;
    let key = key_id(store, input)?;
    delete(store, input, &key, id)
}

fn retire(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let (key, id) = grant_to_retire(store, input)?;
    delete(store, input, &key, &id)
}

/// A grant as the List operations return it.
fn entry(store: &Store, key: &StoredKey, id: &str, grant: &Grant) -> Value {
    let entry = json!({
        "KeyId": store.key_arn(&key.id),
        "GrantId": id,
        "CreationDate": grant.created,
        "GranteePrincipal": grant.grantee,
        "IssuingAccount": store.account_arn(),
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
    match input.text_within("Marker", MARKER_MAX_LENGTH)? {
        Some(marker) if !is_id(marker) => {
            Err(KmsError::new("InvalidMarkerException", "Invalid marker"))
        }
        _ => Ok(()),
    }
}

fn new_grant_id() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
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
mod tests;
