//! Operations on aliases.

use serde_json::{Value, json};

use super::{
    named_key::find_mutable,
    operation::{KmsOperation, Perform, Resource},
};
use crate::kms::{
    crypto::KeySpec,
    error::KmsError,
    input::{Input, KEY_ID_MAX_LENGTH},
    output::with_present,
    pages::PageSize,
    store::{Store, StoredAlias, StoredKey},
};

const PAGE_SIZE: PageSize = PageSize { default: 50, max: 100 };

/// The operations of this file.
pub(super) const ALL: &[&KmsOperation] =
    &[&CREATE_ALIAS, &UPDATE_ALIAS, &DELETE_ALIAS, &LIST_ALIASES];

const CREATE_ALIAS: KmsOperation = KmsOperation {
    name: "CreateAlias",
    perform: Perform::Locked(create),
    resource: Resource::Alias { leaves: false, joins: true },
    condition_keys: None,
};

const UPDATE_ALIAS: KmsOperation = KmsOperation {
    name: "UpdateAlias",
    perform: Perform::Locked(update),
    resource: Resource::Alias { leaves: true, joins: true },
    condition_keys: None,
};

const DELETE_ALIAS: KmsOperation = KmsOperation {
    name: "DeleteAlias",
    perform: Perform::Locked(delete),
    resource: Resource::Alias { leaves: true, joins: false },
    condition_keys: None,
};

const LIST_ALIASES: KmsOperation = KmsOperation {
    name: "ListAliases",
    perform: Perform::Locked(|store, input| list(store, input)),
    resource: Resource::Account,
    condition_keys: None,
};

fn create(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let name = alias_name(input)?;
    let key = find_mutable(store, &input.target()?)?.id.clone();
    if store.aliases.current(name).is_some() {
        let message = format!("An alias with the name {} already exists", store.arn(name));
        return Err(KmsError::new("AlreadyExistsException", message));
    }
    let now = store.now();
    store.aliases.change(name, Some(StoredAlias { key, created: now, updated: now }), now);
    Ok(Value::Null)
}

/// The new key must have the type and usage of the current one; the spec can differ (`UpdateAlias` in the API
/// reference).
fn update(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let name = alias_name(input)?;
    let target = find_mutable(store, &input.target()?)?.clone();
    let alias = store.aliases.current(name).ok_or_else(|| store.alias_not_found(name))?;
    if let Some(current) = store.keys.get(&alias.key) {
        let is_symmetric = |key: &StoredKey| key.spec == KeySpec::SymmetricDefault;
        if is_symmetric(current) != is_symmetric(&target) || current.usage != target.usage {
            return Err(KmsError::validation(
                "The current and new KMS keys must be the same type and have the same key usage",
            ));
        }
    }
    let now = store.now();
    let alias = StoredAlias { key: target.id, created: alias.created, updated: now };
    store.aliases.change(name, Some(alias), now);
    Ok(Value::Null)
}

fn delete(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let name = alias_name(input)?;
    let (missing, now) = (store.alias_not_found(name), store.now());
    store.aliases.change(name, None, now).map(|_| Value::Null).ok_or(missing)
}

fn alias_name(input: &Input) -> Result<&str, KmsError> {
    let name = input.required("AliasName")?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    match name.strip_prefix("alias/") {
        Some(rest) if rest.starts_with("aws/") => Err(KmsError::new(
            "NotAuthorizedException",
            "Aliases that begin with alias/aws/ are reserved for AWS managed keys",
        )),
        Some(rest) if !rest.is_empty() && name.len() <= 256 && rest.chars().all(is_allowed) => {
            Ok(name)
        }
        _ => {
            Err(KmsError::validation("Alias must start with the prefix \"alias/\" and have a name"))
        }
    }
}

fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let filter = match input.text_within("KeyId", KEY_ID_MAX_LENGTH)? {
        Some(key) => Some(&*store.find_key(key)?.id),
        None => None,
    };
    let rows = store.aliases.all_visible(store.now()).into_iter();
    let rows = rows.filter(|(_, alias)| filter.is_none_or(|key| alias.key == key));
    let date = |date: f64| (!store.omits_alias_dates).then_some(date);
    input.page(
        "Aliases",
        &PAGE_SIZE,
        rows.map(|(name, alias)| {
            (
                name,
                with_present(
                    json!({
                        "AliasName": name,
                        "AliasArn": store.arn(name),
                        "TargetKeyId": alias.key,
                    }),
                    [
                        ("CreationDate", json!(date(alias.created))),
                        ("LastUpdatedDate", json!(date(alias.updated))),
                    ],
                ),
            )
        }),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use crate::kms::{fixture::service, store::lock};

    #[test]
    fn aliases_are_created_updated_listed_and_deleted() {
        let service = service();
        let (first, second) =
            (service.create("RSA_2048", "SIGN_VERIFY"), service.create("RSA_3072", "SIGN_VERIFY"));
        let symmetric = service.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        let encrypting = service.create("RSA_2048", "ENCRYPT_DECRYPT");
        let alias = |name: &str, key: &str| json!({"AliasName": name, "TargetKeyId": key});
        let rows = [
            ("UpdateAlias", alias("alias/a", &first), Some("NotFoundException")),
            ("CreateAlias", alias("alias/a", &first), None),
            ("UpdateAlias", alias("alias/a", &second), None),
            ("UpdateAlias", alias("alias/a", &symmetric), Some("ValidationException")),
            ("UpdateAlias", alias("alias/a", &encrypting), Some("ValidationException")),
            ("CreateAlias", alias("a", &first), Some("ValidationException")),
            ("CreateAlias", alias("alias/", &first), Some("ValidationException")),
            ("CreateAlias", alias("alias/a b", &first), Some("ValidationException")),
            ("CreateAlias", alias("alias/aws/a", &first), Some("NotAuthorizedException")),
            ("CreateAlias", alias("alias/b", "no-such-key"), Some("NotFoundException")),
            ("CreateAlias", alias("alias/b", "alias/a"), Some("ValidationException")),
            ("CreateAlias", alias("alias/b", &first), None),
        ];
        for (step, (operation, input, expected)) in rows.iter().enumerate() {
            assert_eq!(
                service.call(operation, input).err(),
                *expected,
                "{step}: {operation} {input}"
            );
        }
        let names = |input: Value| {
            let response = service.call("ListAliases", &input).unwrap();
            let rows = response["Aliases"].as_array().unwrap();
            let pair = |row: &Value| {
                let text = |name: &str| row[name].as_str().unwrap().to_owned();
                (text("AliasName"), text("TargetKeyId"))
            };
            let marker = response["NextMarker"].as_str().map(str::to_owned);
            (rows.iter().map(pair).collect::<BTreeMap<_, _>>(), marker)
        };
        let (a, b) = (("alias/a".to_owned(), second), ("alias/b".to_owned(), first.clone()));
        assert_eq!(names(json!({})), ([a.clone(), b.clone()].into(), None));
        assert_eq!(names(json!({"Limit": 1})), ([a].into(), Some("alias/a".into())));
        assert_eq!(names(json!({"Limit": 1, "Marker": "alias/a"})), ([b.clone()].into(), None));
        assert_eq!(names(json!({"KeyId": first})), ([b].into(), None));
        for omit in [true, false] {
            lock(&service.store).omits_alias_dates = omit;
            let row = &service.call("ListAliases", &json!({})).unwrap()["Aliases"][0];
            for date in ["CreationDate", "LastUpdatedDate"] {
                assert_eq!(row.get(date).is_none(), omit, "{date}");
            }
        }
        assert!(service.call("DeleteAlias", &json!({"AliasName": "alias/a"})).is_ok());
        let deleted = service.call("DescribeKey", &json!({"KeyId": "alias/a"}));
        assert_eq!(deleted, Err("NotFoundException"));
    }
}
