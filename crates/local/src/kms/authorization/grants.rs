//! The operations that grants allow.

use crate::{
    account::ACCOUNT,
    kms::{
        input::Input,
        store::{Grant, StoredKey},
    },
};

/// The principal to which the grants on a key allow an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantedTo {
    None,
    /// The account of the caller. Its IAM policies must allow the operation too.
    Account,
    Caller,
}

/// Whether the grants on a key allow an operation to the caller or its account.
pub(crate) fn granted(key: &StoredKey, caller: &str, operation: &str, input: &Input) -> GrantedTo {
    let allows = |grant: &Grant| {
        grant.operations.contains(operation)
            && (operation != "CreateGrant" || can_be_parent(grant, input))
    };
    let account = format!("arn:aws:iam::{ACCOUNT}:root");
    let mut granted = GrantedTo::None;
    for grant in key.grants.values().filter(|grant| allows(grant)) {
        if grant.grantee == caller {
            return GrantedTo::Caller;
        }
        if grant.grantee == account {
            granted = GrantedTo::Account;
        }
    }
    granted
}

/// Whether a grant itself allows the caller to retire it.
pub(crate) fn can_retire(key: &StoredKey, grant_id: &str, caller: &str) -> bool {
    key.grants.get(grant_id).is_some_and(|grant| {
        grant.retiring.as_deref() == Some(caller)
            || (grant.grantee == caller && grant.operations.contains("RetireGrant"))
    })
}

/// A grant that is created with the permission of another grant can allow no more operations than that one
/// ("Granting `CreateGrant` permission" in the developer guide).
fn can_be_parent(parent: &Grant, child: &Input) -> bool {
    child.texts("Operations").is_ok_and(|operations| {
        operations.into_iter().all(|operation| parent.operations.contains(operation))
    })
}
