//! The permissions that an operation needs.

use super::{
    error::KmsError,
    facts::{of_key as facts_of, of_request as facts_of_request},
    grants::{self, Granted},
    input::Input,
    store::{Key, Store},
};
use crate::iam::Facts;

/// A permission that the caller of an operation needs.
pub(super) struct Permission {
    pub(super) action: String,
    pub(super) resource: String,
    /// Condition keys for every policy.
    pub(super) facts: Facts,
    /// Condition keys for the caller's own policies alone.
    pub(super) identity_facts: Facts,
    /// The policy of the key, if it counts.
    pub(super) key_policy: Option<String>,
    /// What the key's grants say.
    pub(super) granted: Granted,
}

/// The permissions that KMS asks for, each of which the caller must have.
pub(super) fn required(
    store: &Store,
    caller: &str,
    operation: &str,
    input: &Input,
) -> Result<Vec<Permission>, KmsError> {
    let action = format!("kms:{operation}");
    let of_key = |key: &Key| -> Result<Permission, KmsError> {
        let (facts, identity_facts) = facts_of(store, key, operation, input)?;
        Ok(Permission {
            facts,
            identity_facts,
            key_policy: Some(key.policy.clone()),
            granted: grants::granted(key, caller, operation, input),
            ..Permission::new(&action, &store.key_arn(&key.id))
        })
    };
    Ok(match operation {
        "ListKeys" | "ListAliases" => vec![Permission::new(&action, "*")],
        "ListRetirableGrants" => {
            vec![Permission::new(&action, input.required("RetiringPrincipal")?)]
        }
        "CreateKey" => {
            let mut facts = Facts::default();
            facts_of_request(&mut facts, operation, input)?;
            let mut permissions =
                vec![Permission { facts: facts.clone(), ..Permission::new(&action, "*") }];
            if !input.tags()?.is_empty() {
                let new_key = store.key_arn(NEW_KEY);
                permissions
                    .push(Permission { facts, ..Permission::new("kms:TagResource", &new_key) });
            }
            permissions
        }
        // On the alias, which has no policy of its own, and on each key that it is taken from or
        // given to ("Controlling access to aliases" in the KMS developer guide).
        "CreateAlias" | "UpdateAlias" | "DeleteAlias" => {
            let name = input.required("AliasName")?;
            let mut permissions = vec![Permission::new(&action, &store.arn(name))];
            if operation != "CreateAlias"
                && let Some(alias) = store.aliases.actual(name)
            {
                permissions.push(of_key(store.find_key(&alias.key)?)?);
            }
            if operation != "DeleteAlias" {
                permissions.push(of_key(store.find_key(input.required("TargetKeyId")?)?)?);
            }
            permissions
        }
        // A key policy cannot allow it ("Retiring and revoking grants" in the developer guide).
        "RetireGrant" => {
            let (key, id) = grants::to_retire(store, input)?;
            let key = store.find_key(&key)?;
            let may_retire = grants::may_retire(key, &id, caller);
            let granted = if may_retire { Granted::ToCaller } else { Granted::No };
            vec![Permission { key_policy: None, granted, ..of_key(key)? }]
        }
        _ => vec![of_key(store.find(input.required("KeyId")?)?)?],
    })
}

impl Permission {
    pub(super) fn new(action: &str, resource: &str) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            facts: Facts::default(),
            identity_facts: Facts::default(),
            key_policy: None,
            granted: Granted::No,
        }
    }

    /// To replace this key policy.
    pub(super) fn to_put_policy(store: &Store, policy: &str) -> Self {
        let key_policy = Some(policy.to_owned());
        Self { key_policy, ..Self::new("kms:PutKeyPolicy", &store.key_arn(NEW_KEY)) }
    }
}

/// The id of a key that there is not yet.
const NEW_KEY: &str = "00000000-0000-0000-0000-000000000000";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{assert_rows, state};

    const ROLE: &str = "arn:aws:iam::000000000000:role/rotator";
    const ACCOUNT: &str = "arn:aws:iam::000000000000:root";

    /// Each row: the caller's policy, the policies of the current and of the new key, and what is
    /// allowed: to (c)reate an alias for the new key, to (u)pdate or (d)elete the current key's.
    #[test]
    fn alias_operations_need_the_alias_and_each_of_its_keys() {
        let state = state();
        let keys = [(); 2].map(|()| state.create("ECC_NIST_P256", "SIGN_VERIFY"));
        let [current, new] = &keys;
        let ring = json!({"AliasName": "alias/ring", "TargetKeyId": current});
        state.call("CreateAlias", &ring).unwrap();
        let arn = |resource: &str| format!("arn:aws:kms:us-east-1:000000000000:{resource}");
        // Capital letters allow, small letters deny.
        let statement = |letter: char| {
            let resource = match letter.to_ascii_uppercase() {
                'A' => json!([arn("alias/ring"), arn("alias/free")]),
                'O' => json!(arn("alias/other")),
                'C' => json!(arn(&format!("key/{current}"))),
                'N' => json!(arn(&format!("key/{new}"))),
                _ => panic!("{letter}"),
            };
            let effect = if letter.is_uppercase() { "Allow" } else { "Deny" };
            json!({"Effect": effect, "Action": "kms:*Alias", "Resource": resource})
        };
        // The policy (d)elegates to the account, (n)ames the role, does neither (-), or denies (x).
        let key_policy = |letter: char| {
            let statement = |effect: &str, principal: &str| {
                json!({
                    "Effect": effect, "Principal": {"AWS": principal},
                    "Action": "kms:*", "Resource": "*",
                })
            };
            match letter {
                'd' => json!([statement("Allow", ACCOUNT)]),
                'n' => json!([statement("Allow", ROLE)]),
                '-' => json!([statement("Allow", "arn:aws:iam::000000000000:role/other")]),
                'x' => json!([statement("Allow", ACCOUNT), statement("Deny", ROLE)]),
                _ => panic!("{letter}"),
            }
        };
        let rows = [
            ("", "dd", ""),
            ("", "nn", ""),
            ("A", "dd", ""),
            ("CN", "dd", ""),
            ("CN", "nn", ""),
            ("OCN", "dd", ""),
            ("OCN", "nn", ""),
            ("ACN", "dd", "cud"),
            ("AC", "dd", "d"),
            ("AN", "dd", "c"),
            ("A", "nn", "cud"),
            ("A", "nd", "d"),
            ("A", "dn", "c"),
            ("AC", "dn", "cud"),
            ("AN", "nd", "cud"),
            ("A", "--", ""),
            ("ACN", "--", ""),
            ("ACN", "-d", "c"),
            ("ACN", "d-", "d"),
            ("ACN", "-n", "c"),
            ("ACN", "n-", "d"),
            ("ACN", "xd", "c"),
            ("ACN", "dx", "d"),
            ("ACN", "xx", ""),
            ("ACNa", "nn", ""),
            ("ACNc", "nn", "c"),
            ("ACNn", "nn", "d"),
            ("ACNc", "dd", "c"),
            ("ACNn", "dd", "d"),
        ];
        let free = json!({"AliasName": "alias/free", "TargetKeyId": new});
        let ring = json!({"AliasName": "alias/ring", "TargetKeyId": new});
        let operations =
            [('c', "CreateAlias", &free), ('u', "UpdateAlias", &ring), ('d', "DeleteAlias", &ring)];
        assert_rows(rows.map(|(own, policies, expected)| {
            let statements: Vec<Value> = own.chars().map(statement).collect();
            state.assign("rotator", ROLE, &json!(statements));
            for (key, letter) in keys.iter().zip(policies.chars()) {
                state.put_policy(key, &key_policy(letter));
            }
            let allowed = operations
                .iter()
                .filter(|(_, operation, input)| state.may("rotator", operation, input));
            let allowed: String = allowed.map(|(letter, ..)| *letter).collect();
            (format!("{own} {policies}"), allowed, expected.to_owned())
        }));
        // An alias that exists needs no other permission: the operation refuses it.
        state.assign("rotator", ROLE, &json!([statement('A'), statement('N')]));
        state.put_policy(new, &key_policy('d'));
        assert!(state.may("rotator", "CreateAlias", &ring));
        assert_eq!(state.call("CreateAlias", &ring), Err("AlreadyExistsException"));
    }
}
