use std::str::FromStr;

use serde_json::{Value, json};

use crate::exit::UsageError;

/// An administrator of a ring: the ARN of an IAM user or role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Administrator {
    arn: String,
    /// The ARN up to the account: `arn:aws:iam::111122223333`.
    account: String,
}

impl FromStr for Administrator {
    type Err = &'static str;

    fn from_str(arn: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        let &["arn", partition, "iam", "", account, resource] = &*parts else {
            return Err(INVALID_ARN);
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_principal = ["user/", "role/"].iter().any(|kind| resource.starts_with(kind));
        let is_literal =
            !arn.contains(['*', '?', '"']) && arn.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_account || !is_principal || !is_literal {
            return Err(INVALID_ARN);
        }
        let account = format!("arn:{partition}:iam::{account}");
        Ok(Self { arn: arn.to_owned(), account })
    }
}

/// The key policy of a ring that only these principals administer, and whose aliases only they move. The IAM
/// policies of the account decide who uses and reads the keys. `None` without administrators: KMS then
/// applies its default policy.
///
/// The condition compares names, so that a role that was deleted and created again stays an administrator: as
/// a principal of the policy, it would be stored by its unique id.
pub(super) fn key_policy(administrators: &[Administrator]) -> Result<Option<String>, UsageError> {
    let Some(first) = administrators.first() else { return Ok(None) };
    if administrators.iter().any(|other| other.account != first.account) {
        return Err(UsageError(
            "--administrator: all administrators must be of one account".into(),
        ));
    }
    let root: Value = json!({"AWS": format!("{}:root", first.account)});
    let arns: Vec<_> = administrators.iter().map(|administrator| &*administrator.arn).collect();
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Administrators",
                "Effect": "Allow",
                "Principal": root.clone(),
                "Action": ADMINISTRATION,
                "Resource": "*",
                "Condition": {"ArnEquals": {"aws:PrincipalArn": arns}},
            },
            {
                "Sid": "UseAndReadByIamPolicies",
                "Effect": "Allow",
                "Principal": root,
                "Action": [
                    "kms:Sign", "kms:Verify", "kms:GetPublicKey", "kms:DescribeKey",
                    "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListResourceTags",
                ],
                "Resource": "*",
            },
        ],
    });
    Ok(Some(policy.to_string()))
}

/// Everything except using the key and creating grants. An administrator can still change the policy, which
/// `CloudTrail` records.
const ADMINISTRATION: [&str; 12] = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
];
const INVALID_ARN: &str = "must be the ARN of an IAM user or role";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_are_users_and_roles_of_one_account() {
        let rows = [
            ("arn:aws:iam::111122223333:role/admin", true),
            ("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/Admin_1", true),
            ("arn:aws-us-gov:iam::111122223333:user/ops", true),
            ("arn:aws:iam::111122223333:root", false),
            ("arn:aws:iam::111122223333:role/*", false),
            ("arn:aws:sts::111122223333:assumed-role/admin/session", false),
            ("arn:aws:iam::1111:role/admin", false),
            ("admin", false),
        ];
        for (arn, expected) in rows {
            assert_eq!(arn.parse::<Administrator>().is_ok(), expected, "{arn}");
        }
        let policy_of = |arns: &[&str]| {
            let administrators: Vec<_> = arns.iter().map(|arn| arn.parse().unwrap()).collect();
            key_policy(&administrators)
        };
        assert!(policy_of(&[]).unwrap().is_none());
        let other = ["arn:aws:iam::111122223333:role/a", "arn:aws:iam::444455556666:role/a"];
        assert!(policy_of(&other).is_err());
        let policy = policy_of(&other[..1]).unwrap().unwrap();
        let policy: Value = serde_json::from_str(&policy).unwrap();
        let account_actions = policy.pointer("/Statement/1/Action").unwrap().to_string();
        assert!(
            !account_actions.contains("Alias") && !account_actions.contains("Grant\""),
            "{account_actions}"
        );
        let administration = policy.pointer("/Statement/0/Action").unwrap().to_string();
        assert!(
            !administration.contains("Sign")
                && !administration.contains("CreateGrant")
                && !administration.contains('*'),
            "{administration}"
        );
    }
}
