//! Aliases: names for keys, which can move from one to another.

use serde_json::{Value, json};

use super::{
    error::KmsError,
    input::{Input, PageSize, with},
    keys::deletable,
    spec::Spec,
    store::{Alias, Key, Store},
};

pub(super) fn create(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let name = name(input)?;
    let key = deletable(store, &input.target()?)?.id.clone();
    if store.aliases.actual(name).is_some() {
        let message = format!("An alias with the name {} already exists", store.arn(name));
        return Err(KmsError::new("AlreadyExistsException", message));
    }
    let now = store.now();
    store.aliases.change(name, Some(Alias { key, created: now, updated: now }), now);
    Ok(Value::Null)
}

/// The new key must be of the old one's type and usage; its spec may be another.
pub(super) fn update(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let name = name(input)?;
    let target = deletable(store, &input.target()?)?.clone();
    let alias = store.aliases.actual(name).ok_or_else(|| store.no_alias(name))?;
    if let Some(old) = store.keys.get(&alias.key) {
        let symmetric = |key: &Key| key.spec == Spec::SymmetricDefault;
        if symmetric(old) != symmetric(&target) || old.usage != target.usage {
            return Err(KmsError::validation(
                "The current and new KMS keys must be the same type and have the same key usage",
            ));
        }
    }
    let now = store.now();
    let alias = Alias { key: target.id, created: alias.created, updated: now };
    store.aliases.change(name, Some(alias), now);
    Ok(Value::Null)
}

pub(super) fn delete(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let name = name(input)?;
    let (missing, now) = (store.no_alias(name), store.now());
    store.aliases.change(name, None, now).map(|_| Value::Null).ok_or(missing)
}

fn name(input: &Input) -> Result<&str, KmsError> {
    let name = input.required("AliasName")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    match name.strip_prefix("alias/") {
        Some(rest) if rest.starts_with("aws/") => Err(KmsError::new(
            "NotAuthorizedException",
            "Aliases that begin with alias/aws/ are reserved for AWS managed keys",
        )),
        Some(rest) if !rest.is_empty() && name.len() <= 256 && rest.chars().all(fits) => Ok(name),
        _ => {
            Err(KmsError::validation("Alias must start with the prefix \"alias/\" and have a name"))
        }
    }
}

pub(super) fn list(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let only = match input.text("KeyId")? {
        Some(key) => Some(&*store.find_key(key)?.id),
        None => None,
    };
    let rows = store.aliases.all_seen(store.now()).into_iter();
    let rows = rows.filter(|(_, alias)| only.is_none_or(|key| alias.key == key));
    let date = |date: f64| (!store.omits_alias_dates).then_some(date);
    input.page(
        "Aliases",
        &PageSize::ALIASES,
        rows.map(|(name, alias)| {
            (
                name,
                with(
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

    use super::super::fixture::state;

    #[test]
    fn aliases() {
        let state = state();
        let (one, other) =
            (state.create("RSA_2048", "SIGN_VERIFY"), state.create("RSA_3072", "SIGN_VERIFY"));
        let symmetric = state.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        let encrypting = state.create("RSA_2048", "ENCRYPT_DECRYPT");
        let alias = |name: &str, key: &str| json!({"AliasName": name, "TargetKeyId": key});
        let rows = [
            ("UpdateAlias", alias("alias/a", &one), Some("NotFoundException")),
            ("CreateAlias", alias("alias/a", &one), None),
            ("UpdateAlias", alias("alias/a", &other), None),
            ("UpdateAlias", alias("alias/a", &symmetric), Some("ValidationException")),
            ("UpdateAlias", alias("alias/a", &encrypting), Some("ValidationException")),
            ("CreateAlias", alias("a", &one), Some("ValidationException")),
            ("CreateAlias", alias("alias/", &one), Some("ValidationException")),
            ("CreateAlias", alias("alias/a b", &one), Some("ValidationException")),
            ("CreateAlias", alias("alias/aws/a", &one), Some("NotAuthorizedException")),
            ("CreateAlias", alias("alias/b", "nobody"), Some("NotFoundException")),
            ("CreateAlias", alias("alias/b", "alias/a"), Some("ValidationException")),
            ("CreateAlias", alias("alias/b", &one), None),
        ];
        for (step, (operation, input, expected)) in rows.iter().enumerate() {
            assert_eq!(
                state.call(operation, input).err(),
                *expected,
                "{step}: {operation} {input}"
            );
        }
        let names = |input: Value| {
            let answer = state.call("ListAliases", &input).unwrap();
            let rows = answer["Aliases"].as_array().unwrap();
            let pair = |row: &Value| {
                let text = |name: &str| row[name].as_str().unwrap().to_owned();
                (text("AliasName"), text("TargetKeyId"))
            };
            let marker = answer["NextMarker"].as_str().map(str::to_owned);
            (rows.iter().map(pair).collect::<BTreeMap<_, _>>(), marker)
        };
        let (a, b) = (("alias/a".to_owned(), other), ("alias/b".to_owned(), one.clone()));
        assert_eq!(names(json!({})), ([a.clone(), b.clone()].into(), None));
        assert_eq!(names(json!({"Limit": 1})), ([a].into(), Some("alias/a".into())));
        assert_eq!(names(json!({"Limit": 1, "Marker": "alias/a"})), ([b.clone()].into(), None));
        assert_eq!(names(json!({"KeyId": one})), ([b].into(), None));
        for omits in [true, false] {
            super::super::lock(&state.store).omits_alias_dates = omits;
            let row = &state.call("ListAliases", &json!({})).unwrap()["Aliases"][0];
            for date in ["CreationDate", "LastUpdatedDate"] {
                assert_eq!(row.get(date).is_none(), omits, "{date}");
            }
        }
        assert!(state.call("DeleteAlias", &json!({"AliasName": "alias/a"})).is_ok());
        let gone = state.call("DescribeKey", &json!({"KeyId": "alias/a"}));
        assert_eq!(gone, Err("NotFoundException"));
    }
}
