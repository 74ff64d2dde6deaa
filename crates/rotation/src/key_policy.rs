//! Reads key policies.

use serde_json::{Value, json};

use crate::KeyMetadata;

/// Whether a key policy is the default key policy, which leaves all permissions to IAM (AWS KMS Developer Guide,
/// "Default key policy").
pub(super) fn is_default_key_policy(policy: &str, key: &KeyMetadata) -> bool {
    let account = key.account();
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let Some([statement]) = policy.get("Statement").and_then(Value::as_array).map(Vec::as_slice)
    else {
        return false;
    };
    let principal = statement.pointer("/Principal/AWS").and_then(Value::as_str);
    let expected = ["Sid", "Effect", "Principal", "Action", "Resource"];
    statement.get("Effect") == Some(&json!("Allow"))
        && statement.get("Action") == Some(&json!("kms:*"))
        && statement.get("Resource") == Some(&json!("*"))
        && statement
            .get("Principal")
            .and_then(Value::as_object)
            .is_some_and(|principal| principal.len() == 1)
        && principal.is_some_and(|arn| arn.ends_with(&format!(":iam::{account}:root")))
        && statement
            .as_object()
            .is_some_and(|members| members.keys().all(|name| expected.contains(&&**name)))
}

/// The ARNs of the only principals that a key policy allows to move the key's aliases. `None` if the policy does not
/// restrict the principals, or cannot be parsed.
pub(super) fn administrators(policy: &str) -> Option<Vec<String>> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let mut administrators = Vec::new();
    for statement in list(policy.get("Statement")) {
        let is_allow = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        let covers_alias = list(statement.get("Action")).any(|action| {
            let action = action.as_str().unwrap_or_default();
            ["*", "kms:*", "kms:UpdateAlias"].iter().any(|name| action.eq_ignore_ascii_case(name))
        });
        if !is_allow || !covers_alias {
            continue;
        }
        let operators = statement.get("Condition").and_then(Value::as_object);
        // Other operators, such as ArnNotLike, do not name the allowed principals.
        let positive = ["ArnEquals", "ArnLike", "StringEquals", "StringLike"];
        let operators = operators.into_iter().flatten();
        let operators = operators.filter(|(operator, _)| positive.contains(&operator.as_str()));
        let compared = operators.filter_map(|(_, keys)| keys.get(PRINCIPAL));
        let named: Vec<_> = compared.flat_map(|value| list(Some(value))).collect();
        if named.is_empty() {
            // The statement leaves it to IAM.
            return None;
        }
        administrators.extend(named.into_iter().filter_map(Value::as_str).map(str::to_owned));
    }
    Some(administrators).filter(|administrators| !administrators.is_empty())
}

/// The elements of a list. IAM also accepts a single value instead of a list with one element.
fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let many = value.and_then(Value::as_array);
    let one = value.filter(|_| many.is_none());
    many.into_iter().flatten().chain(one)
}

const PRINCIPAL: &str = "aws:PrincipalArn";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyState, key_metadata::EPOCH};

    #[test]
    fn default_key_policy_leaves_all_permissions_to_iam() {
        let key = KeyMetadata {
            id: "a".into(),
            arn: "arn:aws:kms:us-east-1:111122223333:key/a".into(),
            spec: "RSA_2048".into(),
            state: KeyState::Enabled,
            created: EPOCH,
            is_for_signing: true,
            is_reproducible: true,
        };
        let default = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Action": "kms:*",
                "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Resource": "*",
            }],
        });
        assert!(is_default_key_policy(&default.to_string(), &key));
        let rows = [
            ("/Statement/0/Effect", json!("Deny")),
            ("/Statement/0/Action", json!("kms:Sign")),
            ("/Statement/0/Resource", json!("a")),
            ("/Statement/0/Principal/AWS", json!("arn:aws:iam::999999999999:root")),
            ("/Statement/0/Principal/AWS", json!("arn:aws:iam::111122223333:user/mallory")),
            ("/Statement/0/Principal", json!("*")),
            ("/Statement/0/Sid", json!({})),
            ("/Statement", json!([])),
        ];
        for (pointer, value) in rows {
            let mut policy = default.clone();
            *policy.pointer_mut(pointer).unwrap() = value.clone();
            let is_default = is_default_key_policy(&policy.to_string(), &key);
            assert_eq!(is_default, pointer.ends_with("Sid"), "{pointer} {value}");
        }
        let mut with_condition = default;
        with_condition["Statement"][0]["Condition"] = json!({});
        assert!(!is_default_key_policy(&with_condition.to_string(), &key));
    }

    #[test]
    fn administrators_are_the_only_principals_that_may_move_aliases() {
        let admin = "arn:aws:iam::111122223333:role/admin";
        let limited = json!({
            "Effect": "Allow", "Action": ["kms:CreateAlias", "kms:UpdateAlias"],
            "Condition": {"ArnLike": {"aws:PrincipalArn": [admin]}},
        });
        let everything = json!({
            "Effect": "Allow", "Action": "kms:*",
            "Condition": {"ArnEquals": {"aws:PrincipalArn": admin}},
        });
        let unlimited = json!({"Effect": "Allow", "Action": "kms:*"});
        let all_but_one = json!({
            "Effect": "Allow", "Action": "kms:*",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": admin}},
        });
        let reads = json!({"Effect": "Allow", "Action": "kms:GetPublicKey"});
        let denies = json!({"Effect": "Deny", "Action": "kms:UpdateAlias"});
        let rows = [
            ("limited alias actions", json!([limited, reads]), Some(1)),
            ("limited kms:*", json!([everything, denies]), Some(1)),
            ("two limited statements", json!([limited, everything]), Some(2)),
            ("a statement without a list", limited.clone(), Some(1)),
            ("an unlimited statement", json!([unlimited]), None),
            ("an unlimited statement after a limited one", json!([limited, unlimited]), None),
            ("no statement for aliases", json!([reads]), None),
            ("all principals but one", json!([all_but_one]), None),
        ];
        for (name, statements, expected) in rows {
            let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            let found = administrators(&policy).map(|administrators| administrators.len());
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(administrators("{"), None);
    }
}
