//! Performs the steps of the rotation in KMS.

use std::time::Duration;

use aws_sdk_kms::{
    Config,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
    operation::{create_alias::CreateAliasError, update_alias::UpdateAliasError},
    types::{KeySpec, KeyUsageType, Tag},
};
use jwt::UnixTime;
use tokio::time::{Instant, sleep};

use crate::{
    KeyMetadata, KeyState, Rotation, RotationError, RotationTiming, Snapshot, Step,
    account::{RING_TAG, describe_key, list_aliases, read_key_policy, read_key_tags},
    key_policy::is_default_key_policy,
};
use kms::{Cause, Fault};

impl Rotation {
    /// Performs a step that was planned from this snapshot and is due. Returns the key that the step created, promoted
    /// or retired.
    ///
    /// # Errors
    /// If KMS fails, if another run changed the ring ([`RotationError::Conflict`]), or if the snapshot is too old
    /// ([`RotationError::SnapshotExpired`]). After each error, [`plan`](crate::plan) can continue from the ring's
    /// state.
    pub async fn execute(
        &self,
        snapshot: &Snapshot,
        step: &Step,
    ) -> Result<KeyMetadata, RotationError> {
        match step {
            Step::Complete(current) => {
                for (alias, target) in [
                    (self.name.next(), &snapshot.state.next),
                    (self.name.previous(), &snapshot.state.previous),
                ] {
                    if target.is_none() {
                        snapshot.expect_fresh()?;
                        self.create_alias(&alias, current).await?;
                    }
                }
                Ok(current.clone())
            }
            Step::Prepare(spec) => self.prepare(snapshot, spec).await,
            Step::Promote(key) => {
                snapshot.expect_fresh()?;
                self.move_alias(self.name.current(), key).await?;
                Ok(key.clone())
            }
            Step::Retire(key) => {
                self.disable_and_delete(snapshot, key).await?;
                snapshot.expect_fresh()?;
                self.move_alias(&self.name.previous(), &snapshot.state.current.key).await?;
                Ok(key.clone())
            }
        }
    }

    /// Points `alias/NAME` back at the previous key. Both keys stay in the ring, so that no token becomes invalid.
    ///
    /// # Errors
    /// As for [`RingState::rollback_target`](crate::RingState::rollback_target) and [`Self::execute`].
    pub async fn roll_back(
        &self,
        snapshot: &Snapshot,
        now: UnixTime,
        timing: &RotationTiming,
    ) -> Result<KeyMetadata, RotationError> {
        let key = snapshot.state.rollback_target(now, timing)?;
        snapshot.expect_fresh()?;
        self.move_alias(self.name.current(), key).await?;
        Ok(key.clone())
    }

    /// Creates the ring: a key, with `key_policy` or the default key policy, and three aliases that point at it.
    /// Existing aliases are never moved.
    ///
    /// # Errors
    /// [`RotationError::Exists`] if one of the aliases exists, [`RotationError::Orphan`] if a key was created that may
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

    async fn prepare(
        &self,
        snapshot: &Snapshot,
        spec: &KeySpec,
    ) -> Result<KeyMetadata, RotationError> {
        let current = &snapshot.state.current.key;
        let policy = read_key_policy(&self.client, self.policy_source(current)).await?;
        let mut tags = read_key_tags(&self.client, &current.id).await?;
        tags.retain(|tag| tag.tag_key != RING_TAG);
        snapshot.expect_fresh()?;
        // Without a policy, KMS gives the key the default key policy.
        let policy = Some(policy).filter(|policy| !is_default_key_policy(policy, current));
        let key = self.create_key(spec, policy, LockoutCheck::Bypassed, tags).await?;
        match self.publish(current, &key).await {
            Ok(()) => Ok(key),
            Err(error) => self.delete_unused_key(key, error).await,
        }
    }

    /// Moves `-next` from the current key to a new one. Authorization may see the new key's tag up to five minutes late
    /// (AWS KMS Developer Guide, "Use tags to control access to KMS keys"), so a denial is retried.
    async fn publish(&self, current: &KeyMetadata, key: &KeyMetadata) -> Result<(), RotationError> {
        let (alias, start) = (self.name.next(), Instant::now());
        loop {
            // Another run may have published a key in the meantime; KMS has no conditional update of an alias.
            if describe_key(&self.client, &alias).await?.id != current.id {
                return Err(RotationError::Conflict(alias));
            }
            match self.move_alias(&alias, key).await {
                Err(RotationError::Fault(fault))
                    if fault.cause == Cause::AccessDenied
                        && start.elapsed() < AUTHORIZATION_WAIT =>
                {
                    sleep(AUTHORIZATION_RETRY_INTERVAL).await;
                }
                result => return result,
            }
        }
    }

    /// Disables a key and, unless a deployment owns it, schedules its deletion.
    async fn disable_and_delete(
        &self,
        snapshot: &Snapshot,
        key: &KeyMetadata,
    ) -> Result<(), RotationError> {
        if matches!(key.state, KeyState::PendingDeletion(_)) {
            return Ok(());
        }
        // The ring may have been rolled back since the snapshot.
        if describe_key(&self.client, self.name.current()).await?.id == key.id {
            return Err(RotationError::Conflict(self.name.current().to_owned()));
        }
        snapshot.expect_fresh()?;
        let request = self.client.disable_key().key_id(&key.id).customize();
        let disabled = request.config_override(no_retries()).send().await;
        ignore_if_done(disabled.map_err(|error| Fault::from_sdk_error("DisableKey", error)))?;
        if self.retains(key) {
            return Ok(());
        }
        snapshot.expect_fresh()?;
        let request = self.client.schedule_key_deletion().key_id(&key.id);
        let request = request.pending_window_in_days(PENDING_DAYS).customize();
        let scheduled = request.config_override(no_retries()).send().await;
        Ok(ignore_if_done(
            scheduled.map_err(|error| Fault::from_sdk_error("ScheduleKeyDeletion", error)),
        )?)
    }

    async fn create_key(
        &self,
        spec: &KeySpec,
        policy: Option<String>,
        lockout_check: LockoutCheck,
        tags: Vec<Tag>,
    ) -> Result<KeyMetadata, Fault> {
        let operation = "CreateKey";
        let bypass = policy.is_some() && matches!(lockout_check, LockoutCheck::Bypassed);
        let ring_tag = Tag::builder().tag_key(RING_TAG).tag_value(self.name.current()).build();
        let ring_tag = ring_tag.map_err(|_| Fault::new(operation, Cause::Refused))?;
        let request = self
            .client
            .create_key()
            .key_spec(spec.clone())
            .key_usage(KeyUsageType::SignVerify)
            .description(format!("Signs the tokens of {}", self.name))
            .set_bypass_policy_lockout_safety_check(bypass.then_some(true))
            .set_policy(policy)
            .set_tags(Some(tags))
            .tags(ring_tag)
            .customize()
            .config_override(no_retries());
        let output =
            request.send().await.map_err(|error| Fault::from_sdk_error(operation, error))?;
        let metadata = output.key_metadata.map(KeyMetadata::from_response);
        metadata.ok_or_else(|| Fault::new(operation, Cause::InvalidResponse))
    }

    async fn create_alias(&self, alias: &str, key: &KeyMetadata) -> Result<(), RotationError> {
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

    async fn move_alias(&self, alias: &str, key: &KeyMetadata) -> Result<(), RotationError> {
        let request = self.client.update_alias().alias_name(alias).target_key_id(&key.arn);
        let Err(error) = request.customize().config_override(no_retries()).send().await else {
            return Ok(());
        };
        Err(match error.as_service_error() {
            Some(UpdateAliasError::NotFoundException(_)) => {
                RotationError::Conflict(alias.to_owned())
            }
            _ => Fault::from_sdk_error("UpdateAlias", error).into(),
        })
    }

    /// Schedules the deletion of a new key that got no alias, and returns the error. After a transient fault, the
    /// alias may have moved all the same: then the key stays, and the error names it.
    async fn delete_unused_key<T>(
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
        Err(RotationError::Orphan { key: key.id, source: Box::new(error) })
    }
}

/// The check of `CreateKey` that the caller may change the key policy later (AWS KMS API Reference,
/// `BypassPolicyLockoutSafetyCheck`).
#[derive(Clone, Copy)]
enum LockoutCheck {
    /// Prevents a key that no principal can administer because the policy has a misspelled administrator.
    Performed,
    /// The policy is that of an existing key, whose administrators can change it. The rotator may not.
    Bypassed,
}

/// Ignores that the key is disabled or pending deletion already: an earlier run did it.
fn ignore_if_done<T>(result: Result<T, Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if !matches!(fault.cause, Cause::KeyState | Cause::NotFound) => Err(fault),
        _ => Ok(()),
    }
}

/// For calls that change something: one attempt. A retry of `CreateKey` could create a second key, and a retry after
/// a suspension of the process would act on an old snapshot.
fn no_retries() -> Builder {
    Config::builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build())
}

/// The longest waiting period of KMS: an operator may still need the key.
const PENDING_DAYS: i32 = 30;
/// The shortest waiting period of KMS, for a key that never signed.
const PENDING_DAYS_UNUSED: i32 = 7;
/// How long a denial because of a new key's tag is retried.
const AUTHORIZATION_WAIT: Duration = Duration::from_mins(6);
const AUTHORIZATION_RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Long enough to create an RSA key.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
