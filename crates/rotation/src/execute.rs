use std::time::Duration;

use aws_sdk_kms::{
    Client, Config,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
    operation::{create_alias::CreateAliasError, update_alias::UpdateAliasError},
    types::{KeySpec, KeyUsageType, Tag},
};
use jwt::UnixTime;
use tokio::time::{Instant, sleep};

use crate::{
    AliasTarget, Finding, KeyMetadata, KeyState, Leftover, RingName, RingState, RotationError,
    RotationTiming, Step,
    account::{Aliases, RING_TAG, aliases, describe, is_usual, policy, tags, unnamed},
    administrators::administrators,
    audit,
};
use kms::{Cause, Fault, SuspendAwareInstant, key_id};

/// A ring's aliases and keys in KMS, and the right to change them.
#[derive(Debug, Clone)]
pub struct Rotation {
    client: Client,
    name: RingName,
    retained_key: Option<String>,
}

/// What a look at KMS showed. A step has to follow soon.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The ring.
    pub state: RingState,
    aliases: Aliases,
    at: SuspendAwareInstant,
}

impl Rotation {
    /// The ring of this name.
    #[must_use]
    pub const fn new(client: Client, name: RingName) -> Self {
        Self { client, name, retained_key: None }
    }

    /// The same ring, with the id or ARN of the key that a deployment owns: it is only disabled when it retires,
    /// as CloudFormation takes a key that is pending deletion for missing, and the next key gets its
    /// policy, which a deployment may have changed.
    #[must_use]
    pub fn with_retained_key(self, retained_key: Option<String>) -> Self {
        let id = |key: String| key_id(&key).map(str::to_owned).unwrap_or(key);
        Self { retained_key: retained_key.map(id), ..self }
    }

    /// Whether this key stays, disabled, when it retires.
    #[must_use]
    pub fn retains(&self, key: &KeyMetadata) -> bool {
        self.retained_key.as_deref() == Some(key.id.as_str())
    }

    /// Looks at the aliases, and at the keys that they point at.
    ///
    /// # Errors
    /// When there is no such ring, and when KMS cannot be asked.
    pub async fn read_state(&self) -> Result<Snapshot, RotationError> {
        // Before the answer, which may be on its way for a while.
        let at = SuspendAwareInstant::now();
        let aliases = aliases(&self.client).await?;
        let (next, previous) = (self.name.next(), self.name.previous());
        let (current, next, previous) = tokio::join!(
            self.place(&aliases, self.name.current()),
            self.place(&aliases, &next),
            self.place(&aliases, &previous),
        );
        let current = current?.ok_or_else(|| RotationError::NoRing(self.name.clone()))?;
        let state = RingState { current, next: next?, previous: previous? };
        Ok(Snapshot { state, aliases, at })
    }

    /// Everything that is wrong with the keys under the ring's aliases: foreign keys, and grants to sign.
    ///
    /// # Errors
    /// When KMS cannot be asked.
    pub async fn audit(&self, snapshot: &Snapshot) -> Result<Vec<Finding>, Fault> {
        audit::audit(&self.client, &self.name, &snapshot.state, self.retained_key.as_deref()).await
    }

    /// The principals that the current key's policy lets move its aliases, if it leaves that to them alone.
    ///
    /// # Errors
    /// When KMS cannot be asked.
    pub async fn administrators(&self, snapshot: &Snapshot) -> Result<Option<Vec<String>>, Fault> {
        let policy = policy(&self.client, &snapshot.state.current.key.id).await?;
        Ok(administrators(&policy))
    }

    /// The keys with the ring's tag that are enabled and have no alias, and are not so new that a run may
    /// be about to give them one: what a run may have left that was interrupted.
    ///
    /// # Errors
    /// When KMS cannot be asked.
    pub async fn leftovers(
        &self,
        snapshot: &Snapshot,
        now: UnixTime,
    ) -> Result<Vec<Leftover>, Fault> {
        let keys = unnamed(&self.client, &self.name, &snapshot.aliases).await?;
        let is_left =
            |key: &KeyMetadata| key.state == KeyState::Enabled && key.created.after(NEW) <= now;
        Ok(keys.into_iter().filter(is_left).map(|key| Leftover { key }).collect())
    }

    /// Performs a step that was planned by this look and is due, and returns the key that it was about.
    ///
    /// # Errors
    /// When KMS fails, and when another run was faster. In each case the ring is in a state that
    /// [`plan`](crate::plan) knows.
    pub async fn execute(
        &self,
        snapshot: &Snapshot,
        step: &Step,
    ) -> Result<KeyMetadata, RotationError> {
        match step {
            Step::Complete(current) => {
                for (alias, place) in [
                    (self.name.next(), &snapshot.state.next),
                    (self.name.previous(), &snapshot.state.previous),
                ] {
                    if place.is_none() {
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
                self.withdraw(snapshot, key).await?;
                snapshot.expect_fresh()?;
                self.move_alias(&self.name.previous(), &snapshot.state.current.key).await?;
                Ok(key.clone())
            }
        }
    }

    /// Points the ring's own alias back at the previous key. Both keys stay in the ring, so that no token
    /// is lost at any moment.
    ///
    /// # Errors
    /// As for [`RingState::rollback_target`], and when KMS fails.
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

    /// Creates a ring of one new key. An alias that exists is never taken.
    ///
    /// # Errors
    /// When there is such an alias already, and when KMS fails: then with the key that is left, if any.
    pub async fn create(
        &self,
        spec: &KeySpec,
        policy: Option<String>,
    ) -> Result<KeyMetadata, RotationError> {
        let names = [self.name.current().to_owned(), self.name.next(), self.name.previous()];
        let known = aliases(&self.client).await?;
        if let Some(taken) = names.iter().find(|name| known.contains_key(*name)) {
            return Err(RotationError::Exists(taken.clone()));
        }
        let key = self.create_key(spec, policy, Lockout::Checked, Vec::new()).await?;
        for name in &names {
            if let Err(error) = self.create_alias(name, &key).await {
                // Once the ring's own alias is there, a run of the rotation adds what is missing.
                return if name == self.name.current() {
                    self.undo(key, error).await
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
        let model = self.retained_key.as_deref().unwrap_or(&current.id);
        let policy = policy(&self.client, model).await?;
        let mut tags = tags(&self.client, &current.id).await?;
        tags.retain(|tag| tag.tag_key != RING_TAG);
        snapshot.expect_fresh()?;
        // Without a policy KMS gives the key its usual one.
        let policy = Some(policy).filter(|policy| !is_usual(policy, current));
        let key = self.create_key(spec, policy, Lockout::Bypassed, tags).await?;
        match self.publish(current, &key).await {
            Ok(()) => Ok(key),
            Err(error) => self.undo(key, error).await,
        }
    }

    /// Points `-next` from the current key at a new one. IAM may see a new key's tag up to five minutes
    /// late, so a denial is asked about again for as long.
    async fn publish(&self, current: &KeyMetadata, key: &KeyMetadata) -> Result<(), RotationError> {
        let (alias, start) = (self.name.next(), Instant::now());
        loop {
            // Another run may have published a key meanwhile: KMS has no conditional update.
            if describe(&self.client, &alias).await?.id != current.id {
                return Err(RotationError::Conflict(alias));
            }
            match self.move_alias(&alias, key).await {
                Err(RotationError::Fault(fault))
                    if fault.cause == Cause::AccessDenied && start.elapsed() < AUTHORIZATION =>
                {
                    sleep(AUTHORIZATION_RETRY).await;
                }
                moved => return moved,
            }
        }
    }

    /// Disables a key and has it deleted, unless a deployment owns it.
    async fn withdraw(&self, snapshot: &Snapshot, key: &KeyMetadata) -> Result<(), RotationError> {
        if matches!(key.state, KeyState::PendingDeletion(_)) {
            return Ok(());
        }
        // The ring may have been rolled back since.
        if describe(&self.client, self.name.current()).await?.id == key.id {
            return Err(RotationError::Conflict(self.name.current().to_owned()));
        }
        snapshot.expect_fresh()?;
        let request = self.client.disable_key().key_id(&key.id).customize();
        let disabled = request.config_override(no_retries()).send().await;
        ignore_if_done(disabled.map_err(|error| Fault::of("DisableKey", error)))?;
        if self.retains(key) {
            return Ok(());
        }
        snapshot.expect_fresh()?;
        let request = self.client.schedule_key_deletion().key_id(&key.id);
        let request = request.pending_window_in_days(PENDING_DAYS).customize();
        let scheduled = request.config_override(no_retries()).send().await;
        Ok(ignore_if_done(scheduled.map_err(|error| Fault::of("ScheduleKeyDeletion", error)))?)
    }

    async fn create_key(
        &self,
        spec: &KeySpec,
        policy: Option<String>,
        lockout: Lockout,
        tags: Vec<Tag>,
    ) -> Result<KeyMetadata, Fault> {
        let operation = "CreateKey";
        let bypass = policy.is_some() && matches!(lockout, Lockout::Bypassed);
        let ring = Tag::builder().tag_key(RING_TAG).tag_value(self.name.current()).build();
        let ring = ring.map_err(|_| Fault::new(operation, Cause::Refused))?;
        let request = self
            .client
            .create_key()
            .key_spec(spec.clone())
            .key_usage(KeyUsageType::SignVerify)
            .description(format!("Signs the tokens of {}", self.name))
            .set_bypass_policy_lockout_safety_check(bypass.then_some(true))
            .set_policy(policy)
            .set_tags(Some(tags))
            .tags(ring)
            .customize()
            .config_override(no_retries());
        let answer = request.send().await.map_err(|error| Fault::of(operation, error))?;
        let metadata = answer.key_metadata.map(KeyMetadata::read);
        metadata.ok_or_else(|| Fault::new(operation, Cause::InvalidResponse))
    }

    async fn create_alias(&self, alias: &str, key: &KeyMetadata) -> Result<(), RotationError> {
        let request = self.client.create_alias().alias_name(alias).target_key_id(&key.id);
        let request = request.customize().config_override(no_retries());
        let Err(error) = request.send().await else { return Ok(()) };
        if !matches!(error.as_service_error(), Some(CreateAliasError::AlreadyExistsException(_))) {
            return Err(Fault::of("CreateAlias", error).into());
        }
        // By another run, or by an attempt of ours whose response was lost.
        match describe(&self.client, alias).await {
            Ok(there) if there.id == key.id => Ok(()),
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
            _ => Fault::of("UpdateAlias", error).into(),
        })
    }

    /// Has a new key deleted that got no alias. A fault may have come after the alias had moved: then the
    /// key stays, and the error names it.
    async fn undo<T>(&self, key: KeyMetadata, error: RotationError) -> Result<T, RotationError> {
        let is_unused = match &error {
            RotationError::Conflict(alias) => {
                describe(&self.client, alias).await.is_ok_and(|there| there.id != key.id)
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

    async fn place(&self, aliases: &Aliases, alias: &str) -> Result<Option<AliasTarget>, Fault> {
        let Some((id, since)) = aliases.get(alias) else { return Ok(None) };
        // Without a date every wait would seem to be over.
        let since = since.ok_or_else(|| Fault::new("ListAliases", Cause::InvalidResponse))?;
        let key = describe(&self.client, id).await?;
        Ok(Some(AliasTarget { key, since }))
    }
}

/// KMS's check that the principal that creates a key may change the key's policy later.
#[derive(Clone, Copy)]
enum Lockout {
    /// A misspelt administrator is found before there is a key that nobody can administer.
    Checked,
    /// The policy is an existing key's, whose administrators can change it; the rotator needs no such right.
    Bypassed,
}

impl Snapshot {
    /// A state is valid for one minute: then the ring may be in another.
    fn expect_fresh(&self) -> Result<(), RotationError> {
        if self.at.elapsed() > FRESH { Err(RotationError::SnapshotExpired) } else { Ok(()) }
    }
}

/// A key that is disabled or pending deletion was brought there by an earlier run.
fn ignore_if_done<T>(result: Result<T, Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if !matches!(fault.cause, Cause::KeyState | Cause::NotFound) => Err(fault),
        _ => Ok(()),
    }
}

/// For calls that change something: one attempt, with time enough for an RSA key. Another, made by
/// the SDK when a machine wakes up, would be as late as that, and one more `CreateKey` another key.
fn no_retries() -> Builder {
    Config::builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build())
}

/// A key may be as new as this and have no alias yet, as far as is seen.
const NEW: Duration = Duration::from_mins(15);
/// How soon a step has to follow a snapshot.
const FRESH: Duration = Duration::from_mins(1);
/// The longest that KMS has for a change of mind.
const PENDING_DAYS: i32 = 30;
/// The shortest.
const PENDING_DAYS_UNUSED: i32 = 7;
/// How long IAM may take to see a new key's tags.
const AUTHORIZATION: Duration = Duration::from_mins(6);
const AUTHORIZATION_RETRY: Duration = Duration::from_secs(10);
/// What a call that changes something has.
const ATTEMPT: Duration = Duration::from_secs(10);
