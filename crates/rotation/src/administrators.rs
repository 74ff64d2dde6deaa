use serde_json::Value;

/// The principals that a key policy lets move the key's aliases, if it leaves that to them alone.
pub(super) fn administrators(policy: &str) -> Option<Vec<String>> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let mut administrators = Vec::new();
    for statement in list(policy.get("Statement")) {
        let is_allow = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        let covers = list(statement.get("Action")).any(|action| {
            let action = action.as_str().unwrap_or_default();
            ["*", "kms:*", "kms:UpdateAlias"].iter().any(|known| action.eq_ignore_ascii_case(known))
        });
        if !is_allow || !covers {
            continue;
        }
        let operators = statement.get("Condition").and_then(Value::as_object);
        // Others, such as ArnNotLike, name those that may not.
        let positive = ["ArnEquals", "ArnLike", "StringEquals", "StringLike"];
        let operators = operators.into_iter().flatten();
        let operators = operators.filter(|(operator, _)| positive.contains(&operator.as_str()));
        let compared = operators.filter_map(|(_, keys)| keys.get(PRINCIPAL));
        let named: Vec<_> = compared.flat_map(|value| list(Some(value))).collect();
        if named.is_empty() {
            // Every principal that IAM allows it.
            return None;
        }
        administrators.extend(named.into_iter().filter_map(Value::as_str).map(str::to_owned));
    }
    Some(administrators).filter(|administrators| !administrators.is_empty())
}

/// IAM takes one value in the place of a list of one.
fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let many = value.and_then(Value::as_array);
    let one = value.filter(|_| many.is_none());
    many.into_iter().flatten().chain(one)
}

const PRINCIPAL: &str = "aws:PrincipalArn";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn administrators_are_named_where_they_alone_move_aliases() {
        let admin = "arn:aws:iam::111122223333:role/admin";
        let limited = json!({
            "Effect": "Allow", "Action": ["kms:CreateAlias", "kms:UpdateAlias"],
            "Condition": {"ArnLike": {"aws:PrincipalArn": [admin]}},
        });
        let all = json!({
            "Effect": "Allow", "Action": "kms:*",
            "Condition": {"ArnEquals": {"aws:PrincipalArn": admin}},
        });
        let usual = json!({"Effect": "Allow", "Action": "kms:*"});
        let but = json!({
            "Effect": "Allow", "Action": "kms:*",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": admin}},
        });
        let reads = json!({"Effect": "Allow", "Action": "kms:GetPublicKey"});
        let denies = json!({"Effect": "Deny", "Action": "kms:UpdateAlias"});
        let rows = [
            ("limited", json!([limited, reads]), Some(1)),
            ("everything limited", json!([all, denies]), Some(1)),
            ("two statements", json!([limited, all]), Some(2)),
            ("one statement in no list", limited.clone(), Some(1)),
            ("IAM decides", json!([usual]), None),
            ("IAM decides too", json!([limited, usual]), None),
            ("nobody", json!([reads]), None),
            ("all but some", json!([but]), None),
        ];
        for (name, statements, expected) in rows {
            let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            let found = administrators(&policy).map(|administrators| administrators.len());
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(administrators("{"), None);
    }
}
