//! Creates rings and keys.

use aws_sdk_kms::{
    operation::create_alias::CreateAliasError,
    types::{KeySpec, KeyUsageType, Tag},
};

use crate::{
    KeyMetadata, Rotation, RotationError,
    account::{describe_key, list_aliases},
    single_attempt::no_retries,
    tags::own_tags,
};
use kms::{Cause, Fault};

impl Rotation {
    /// Creates the ring: a key, with `key_policy` or the default key policy, and three aliases that point at it.
    /// Existing aliases are never moved.
    ///
    /// # Errors
    /// [`RotationError::Exists`] if one of the aliases exists, [`RotationError::Leftover`] if a key was created that may
    /// have no alias, and [`RotationError::Fault`] if KMS fails before that.
    pub async fn create(
        &self,
        spec: &KeySpec,
        key_policy: Option<String>,
    ) -> Result<KeyMetadata, RotationError> {
        let names = [self.name.current().to_owned(), self.name.next(), self.name.previous()];
        let aliases = list_aliases(&self.client).await?;
        if let Some(existing) = names.iter().find(|name| aliases.contains_key(*name)) {
            return Err(RotationError::Exists(existing.clone()));
        }
        let key = self.create_key(spec, key_policy, LockoutCheck::Performed, Vec::new()).await?;
        for name in &names {
            if let Err(error) = self.create_alias(name, &key).await {
                // Once alias/NAME exists, a run of the rotation creates the missing aliases.
                return if name == self.name.current() {
                    self.delete_unused_key(key, error).await
                } else {
                    Err(error)
                };
            }
        }
        Ok(key)
    }

    /// Creates a key of the ring. `tags` are those that the rotation does not set itself.
    pub(crate) async fn create_key(
        &self,
        spec: &KeySpec,
        policy: Option<String>,
        lockout_check: LockoutCheck,
        mut tags: Vec<Tag>,
    ) -> Result<KeyMetadata, Fault> {
        let operation = "CreateKey";
        let bypass = policy.is_some() && matches!(lockout_check, LockoutCheck::Bypassed);
        tags.extend(own_tags(&self.name)?);
        let request = self
            .client
            .create_key()
            .key_spec(spec.clone())
            .key_usage(KeyUsageType::SignVerify)
            .description(format!("Signs the tokens of {}", self.name))
            .set_bypass_policy_lockout_safety_check(bypass.then_some(true))
            .set_policy(policy)
            .set_tags(Some(tags))
            .customize()
            .config_override(no_retries());
        let output =
            request.send().await.map_err(|error| Fault::from_sdk_error(operation, error))?;
        let metadata = output.key_metadata.map(KeyMetadata::from_response);
        metadata.ok_or_else(|| Fault::new(operation, Cause::InvalidResponse))
    }

    pub(crate) async fn create_alias(
        &self,
        alias: &str,
        key: &KeyMetadata,
    ) -> Result<(), RotationError> {
        let request = self.client.create_alias().alias_name(alias).target_key_id(&key.id);
        let request = request.customize().config_override(no_retries());
        let Err(error) = request.send().await else { return Ok(()) };
        if !matches!(error.as_service_error(), Some(CreateAliasError::AlreadyExistsException(_))) {
            return Err(Fault::from_sdk_error("CreateAlias", error).into());
        }
        // Another run created the alias, or an earlier call of this run whose response was lost.
        match describe_key(&self.client, alias).await {
            Ok(target) if target.id == key.id => Ok(()),
            _ => Err(RotationError::Conflict(alias.to_owned())),
        }
    }

    /// Schedules the deletion of a new key that got no alias, and returns the error. After a transient fault, the
    /// alias may have moved all the same: then the key stays, and the error names it.
    pub(crate) async fn delete_unused_key<T>(
        &self,
        key: KeyMetadata,
        error: RotationError,
    ) -> Result<T, RotationError> {
        let is_unused = match &error {
            RotationError::Conflict(alias) => {
                describe_key(&self.client, alias).await.is_ok_and(|target| target.id != key.id)
            }
            RotationError::Fault(fault) => !fault.cause.is_transient(),
            _ => false,
        };
        if is_unused {
            let request = self.client.schedule_key_deletion().key_id(&key.id);
            let request = request.pending_window_in_days(PENDING_DAYS_UNUSED);
            if request.send().await.is_ok() {
                return Err(error);
            }
        }
        Err(RotationError::Leftover { key: key.id, source: Box::new(error) })
    }
}

/// The check of `CreateKey` that the caller may change the key policy later (AWS KMS API Reference,
/// `BypassPolicyLockoutSafetyCheck`).
#[derive(Clone, Copy)]
pub(crate) enum LockoutCheck {
    /// Prevents a key that no principal can administer because the policy has a misspelled administrator.
    Performed,
    /// The policy is that of an existing key, whose administrators can change it. The rotator may not.
    Bypassed,
}

/// The shortest waiting period of KMS, for a key that never signed.
const PENDING_DAYS_UNUSED: i32 = 7;
