//! Performs the steps of the rotation in KMS.

use std::time::Duration;

use aws_sdk_kms::{operation::update_alias::UpdateAliasError, types::KeySpec};
use jwt::UnixTime;
use tokio::time::{Instant, sleep};

use crate::{
    AliasTarget, KeyMetadata, KeyState, RingState, Rotation, RotationError, Snapshot, Step,
    account::{describe_key, read_key_policy, read_key_tags},
    creation::LockoutCheck,
    key_policy::is_default_key_policy,
    single_attempt::no_retries,
    tags::is_own_tag,
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

    /// The effect of a step, in the imperative.
    #[must_use]
    pub fn description(&self, step: &Step) -> String {
        let (ring, next, previous) = (&self.name, self.name.next(), self.name.previous());
        match step {
            Step::Prepare(spec) => format!("create a key of KeySpec {spec} and point {next} at it"),
            Step::Complete(key) => format!("point {next} and {previous} at {}", key.id),
            Step::Promote(key) => format!("point {ring} at {}, which signs from then on", key.id),
            Step::Retire(key) => match self.options.pending_days(key) {
                Some(days) => format!(
                    "disable {}, schedule its deletion in {days} days, and point {previous} at the current key",
                    key.id
                ),
                None => format!(
                    "disable {}, which the stack owns, and point {previous} at the current key",
                    key.id
                ),
            },
        }
    }

    /// The effect of a performed step. `key` is the key that the step created, promoted or retired.
    #[must_use]
    pub fn result_description(&self, step: &Step, key: &KeyMetadata) -> String {
        let (ring, next, previous) = (&self.name, self.name.next(), self.name.previous());
        match step {
            Step::Prepare(spec) => format!("created {} ({spec}) and pointed {next} at it", key.id),
            Step::Complete(key) => format!("pointed {next} and {previous} at {}", key.id),
            Step::Promote(_) => format!("pointed {ring} at {}, which signs from now on", key.id),
            Step::Retire(_) => match self.options.pending_days(key) {
                Some(days) => format!(
                    "disabled {}, scheduled its deletion in {days} days, and pointed {previous} at the current key",
                    key.id
                ),
                None => format!(
                    "disabled {}, which the stack owns, and pointed {previous} at the current key",
                    key.id
                ),
            },
        }
    }

    async fn prepare(
        &self,
        snapshot: &Snapshot,
        spec: &KeySpec,
    ) -> Result<KeyMetadata, RotationError> {
        let current = &snapshot.state.current.key;
        let policy = read_key_policy(&self.client, self.options.policy_source(current)).await?;
        let mut tags = read_key_tags(&self.client, &current.id).await?;
        tags.retain(|tag| !is_own_tag(tag));
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
        let Some(days) = self.options.pending_days(key) else { return Ok(()) };
        snapshot.expect_fresh()?;
        let request = self.client.schedule_key_deletion().key_id(&key.id);
        let request = request.pending_window_in_days(days).customize();
        let scheduled = request.config_override(no_retries()).send().await;
        Ok(ignore_if_done(
            scheduled.map_err(|error| Fault::from_sdk_error("ScheduleKeyDeletion", error)),
        )?)
    }

    pub(crate) async fn move_alias(
        &self,
        alias: &str,
        key: &KeyMetadata,
    ) -> Result<(), RotationError> {
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
}

impl RingState {
    /// The state after this step was performed at `now`. `key` is the key that the step created, promoted or retired.
    #[must_use]
    pub fn after(self, step: &Step, key: &KeyMetadata, now: UnixTime) -> Self {
        let target = |key: &KeyMetadata| Some(AliasTarget { key: key.clone(), since: now });
        match step {
            Step::Complete(current) => Self {
                next: self.next.or_else(|| target(current)),
                previous: self.previous.or_else(|| target(current)),
                ..self
            },
            Step::Prepare(_) => Self { next: target(key), ..self },
            Step::Promote(_) => {
                Self { current: AliasTarget { key: key.clone(), since: now }, ..self }
            }
            Step::Retire(_) => Self { previous: target(&self.current.key), ..self },
        }
    }
}

/// Ignores that the key is disabled or pending deletion already: an earlier run did it.
fn ignore_if_done<T>(result: Result<T, Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if !fault.cause.is_unusable_key() => Err(fault),
        _ => Ok(()),
    }
}

/// How long a denial because of a new key's tag is retried.
const AUTHORIZATION_WAIT: Duration = Duration::from_mins(6);
const AUTHORIZATION_RETRY_INTERVAL: Duration = Duration::from_secs(10);
