//! The declaration of an operation: its implementation, and the resource and condition keys of its authorization.

use std::sync::Mutex;

use serde_json::Value;

use crate::{
    iam::ConditionContext,
    kms::{error::KmsError, input::Input, store::Store},
};

type ConditionKeys = fn(&mut ConditionContext, &Input) -> Result<(), KmsError>;

/// An operation of the KMS API.
pub(crate) struct KmsOperation {
    pub(crate) name: &'static str,
    pub(crate) perform: Perform,
    pub(crate) resource: Resource,
    /// Adds the condition keys that depend on the request only ("Condition keys for AWS KMS" in the developer
    /// guide).
    pub(crate) condition_keys: Option<ConditionKeys>,
}

impl KmsOperation {
    /// The condition keys that depend on the request only.
    pub(crate) fn request_context(&self, input: &Input) -> Result<ConditionContext, KmsError> {
        let mut context = ConditionContext::default();
        if let Some(condition_keys) = self.condition_keys {
            condition_keys(&mut context, input)?;
        }
        Ok(context)
    }
}

/// How an operation is performed.
pub(crate) enum Perform {
    /// While the store is locked.
    Locked(fn(&mut Store, &Input) -> Result<Value, KmsError>),
    /// The operation locks the store itself, because signing and the generation of an RSA key take long.
    Unlocked(fn(&Mutex<Store>, &Input) -> Result<Value, KmsError>),
}

/// The resource for which an operation needs permission ("AWS KMS permissions" in the developer guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    /// All resources of the account.
    Account,
    /// The `RetiringPrincipal` of the request.
    RetiringPrincipal,
    /// A key that does not exist yet.
    NewKey,
    /// The key that `KeyId` names by its id or ARN.
    Key,
    /// The key that `KeyId` names by its id, its ARN or an alias.
    KeyOrAlias,
    /// The alias, and the keys that it leaves and joins.
    Alias { leaves: bool, joins: bool },
    /// The key of the grant that the request names.
    Grant,
}
