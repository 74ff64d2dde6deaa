use std::str::FromStr;

use serde_json::{Value, json};

use crate::Usage;

/// The ARN of an IAM user or role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Administrator {
    arn: String,
    /// `arn:aws:iam::111122223333`.
    account: String,
}

impl FromStr for Administrator {
    type Err = &'static str;

    fn from_str(arn: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        let &["arn", partition, "iam", "", account, resource] = &*parts else {
            return Err(NO_ARN);
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_principal = ["user/", "role/"].iter().any(|kind| resource.starts_with(kind));
        let is_one =
            !arn.contains(['*', '?', '"']) && arn.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_account || !is_principal || !is_one {
            return Err(NO_ARN);
        }
        let account = format!("arn:{partition}:iam::{account}");
        Ok(Self { arn: arn.to_owned(), account })
    }
}

/// The policy of a ring's keys that these principals alone administer, and whose aliases they alone move:
/// the account's IAM policies decide on use and reading. The condition compares names, so that a role that
/// was deleted and created again is still an administrator.
pub(crate) fn of(administrators: &[Administrator]) -> Result<Option<String>, Usage> {
    let Some(first) = administrators.first() else { return Ok(None) };
    if administrators.iter().any(|other| other.account != first.account) {
        return Err(Usage("all administrators must be of one account".into()));
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

/// All but use and grants. An administrator can change the policy, which `CloudTrail` records.
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
const NO_ARN: &str = "must be the ARN of an IAM user or role";

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
        let of = |arns: &[&str]| {
            let administrators: Vec<_> = arns.iter().map(|arn| arn.parse().unwrap()).collect();
            of(&administrators)
        };
        assert!(of(&[]).unwrap().is_none());
        let other = ["arn:aws:iam::111122223333:role/a", "arn:aws:iam::444455556666:role/a"];
        assert!(of(&other).is_err());
        let policy = of(&other[..1]).unwrap().unwrap();
        let policy: Value = serde_json::from_str(&policy).unwrap();
        let everybody = policy.pointer("/Statement/1/Action").unwrap().to_string();
        assert!(!everybody.contains("Alias") && !everybody.contains("Grant\""), "{everybody}");
        let own = policy.pointer("/Statement/0/Action").unwrap().to_string();
        assert!(
            !own.contains("Sign") && !own.contains("CreateGrant") && !own.contains('*'),
            "{own}"
        );
    }
}
