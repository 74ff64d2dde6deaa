//! The permissions that an operation requires ("AWS KMS permissions" in the developer guide).

use super::{
    condition_keys,
    grants::{self, GrantedTo},
};
use crate::{
    iam::ConditionContext,
    kms::{
        error::KmsError,
        input::Input,
        operations::{self, Resource, grants::grant_to_retire},
        store::{Store, StoredKey},
    },
};

/// A permission that an operation requires, with the data for the decision.
pub(crate) struct Permission {
    pub(crate) action: String,
    pub(crate) resource: String,
    /// The condition keys that every policy can use.
    pub(crate) context: ConditionContext,
    /// The condition keys that only identity-based policies can use.
    pub(crate) identity_context: ConditionContext,
    /// The key policy, if it applies.
    pub(crate) key_policy: Option<String>,
    /// Whether the grants on the key allow it.
    pub(crate) granted: GrantedTo,
}

/// The permissions that an operation requires. The caller must have all of them.
pub(crate) fn required_permissions(
    store: &Store,
    caller: &str,
    name: &str,
    input: &Input,
) -> Result<Vec<Permission>, KmsError> {
    let (action, operation) = (format!("kms:{name}"), operations::find(name));
    let of_key = |key: &StoredKey| -> Result<Permission, KmsError> {
        let (context, identity_context) = condition_keys::of_key(store, key, operation, input)?;
        Ok(Permission {
            context,
            identity_context,
            key_policy: Some(key.policy.clone()),
            granted: grants::granted(key, caller, name, input),
            ..Permission::new(&action, &store.key_arn(&key.id))
        })
    };
    Ok(match operation.map_or(Resource::Key, |operation| operation.resource) {
        Resource::Account => vec![Permission::new(&action, "*")],
        Resource::RetiringPrincipal => {
            vec![Permission::new(&action, input.required("RetiringPrincipal")?)]
        }
        Resource::NewKey => {
            let of_request = |name: &str, resource: &str| -> Result<Permission, KmsError> {
                let operation = operations::find(name);
                let context = operation.map(|operation| operation.request_context(input));
                let context = context.transpose()?.unwrap_or_default();
                Ok(Permission { context, ..Permission::new(&format!("kms:{name}"), resource) })
            };
            let mut permissions = vec![of_request(name, "*")?];
            if !input.tags()?.is_empty() {
                permissions.push(of_request("TagResource", &store.key_arn(NEW_KEY))?);
            }
            permissions
        }
        // On the alias, which has no policy, and on each key that the alias leaves or joins ("Controlling
        // access to aliases" in the developer guide).
        Resource::Alias { leaves, joins } => {
            let name = input.required("AliasName")?;
            let mut permissions = vec![Permission::new(&action, &store.arn(name))];
            if leaves && let Some(alias) = store.aliases.current(name) {
                permissions.push(of_key(store.find_key(&alias.key)?)?);
            }
            if joins {
                permissions.push(of_key(store.find_key(input.required("TargetKeyId")?)?)?);
            }
            permissions
        }
        // Key policies do not apply ("Retiring and revoking grants" in the developer guide).
        Resource::Grant => {
            let (key, id) = grant_to_retire(store, input)?;
            let key = store.find_key(&key)?;
            let can_retire = grants::can_retire(key, &id, caller);
            let granted = if can_retire { GrantedTo::Caller } else { GrantedTo::None };
            vec![Permission { key_policy: None, granted, ..of_key(key)? }]
        }
        Resource::Key | Resource::KeyOrAlias => {
            vec![of_key(store.find(input.required("KeyId")?)?)?]
        }
    })
}

impl Permission {
    pub(crate) fn new(action: &str, resource: &str) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            context: ConditionContext::default(),
            identity_context: ConditionContext::default(),
            key_policy: None,
            granted: GrantedTo::None,
        }
    }

    /// The permission to replace this policy of a new key.
    pub(crate) fn to_replace_policy(store: &Store, policy: &str) -> Self {
        let key_policy = Some(policy.to_owned());
        Self { key_policy, ..Self::new("kms:PutKeyPolicy", &store.key_arn(NEW_KEY)) }
    }
}

/// Stands for the id of a key that does not exist yet.
const NEW_KEY: &str = "00000000-0000-0000-0000-000000000000";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::kms::fixture::{assert_rows, service};

    const ROLE: &str = "arn:aws:iam::000000000000:role/rotator";
    const ACCOUNT: &str = "arn:aws:iam::000000000000:root";

    /// Each row: the statements of the caller's policy, the policies of the current and the new key, and the
    /// allowed operations: (c)reate an alias of the new key, (u)pdate or (d)elete the alias of the current key.
    #[test]
    fn alias_operations_need_permission_on_the_alias_and_its_keys() {
        let service = service();
        let keys = [(); 2].map(|()| service.create("ECC_NIST_P256", "SIGN_VERIFY"));
        let [current, new] = &keys;
        let ring = json!({"AliasName": "alias/ring", "TargetKeyId": current});
        service.call("CreateAlias", &ring).unwrap();
        let arn = |resource: &str| format!("arn:aws:kms:us-east-1:000000000000:{resource}");
        // Upper-case letters allow, lower-case letters deny.
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
        // The key policy (d)elegates to the account, (n)ames the role, does neither (-), or denies the role (x).
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
            service.assign("rotator", ROLE, &json!(statements));
            for (key, letter) in keys.iter().zip(policies.chars()) {
                service.put_policy(key, &key_policy(letter));
            }
            let allowed = operations
                .iter()
                .filter(|(_, operation, input)| service.may("rotator", operation, input));
            let allowed: String = allowed.map(|(letter, ..)| *letter).collect();
            (format!("{own} {policies}"), allowed, expected.to_owned())
        }));
        // If the alias exists, CreateAlias needs no other permission: the operation rejects it.
        service.assign("rotator", ROLE, &json!([statement('A'), statement('N')]));
        service.put_policy(new, &key_policy('d'));
        assert!(service.may("rotator", "CreateAlias", &ring));
        assert_eq!(service.call("CreateAlias", &ring), Err("AlreadyExistsException"));
    }
}
