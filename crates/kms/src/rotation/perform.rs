use std::time::Duration;

use aws_sdk_kms::{
    Client, Config,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
    operation::{create_alias::CreateAliasError, update_alias::UpdateAliasError},
    types::{KeySpec, KeyUsageType, Tag},
};

use super::{
    KeyFacts, KeyState, Obstacle, Place, RingName, Seen, Step,
    account::{Aliases, RING_TAG, aliases, describe, is_usual, tags, unnamed},
};
use crate::{Cause, Fault, clock::SuspendAwareInstant};

/// A ring's aliases and keys in KMS, and the right to change them.
#[derive(Debug, Clone)]
pub struct Rotation {
    client: Client,
    name: RingName,
}

/// What a look at KMS showed. A step has to follow soon.
#[derive(Debug, Clone)]
pub struct Look {
    /// The ring.
    pub seen: Seen,
    aliases: Aliases,
    at: SuspendAwareInstant,
}

impl Rotation {
    /// The ring of this name.
    #[must_use]
    pub const fn new(client: Client, name: RingName) -> Self {
        Self { client, name }
    }

    /// Looks at the aliases, and at the keys that they point at.
    ///
    /// # Errors
    /// When there is no such ring, and when KMS cannot be asked.
    pub async fn look(&self) -> Result<Look, RotationError> {
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
        let seen = Seen { current, next: next?, previous: previous? };
        Ok(Look { seen, aliases, at })
    }

    /// Performs a step that was planned by this look and is due, and gives the key that it was
    /// about. Interrupted, it leaves what can be gone on with.
    ///
    /// # Errors
    /// When KMS fails, and when somebody else was faster. In each case the ring is one that
    /// [`plan`](super::plan) knows.
    pub async fn perform(&self, look: &Look, step: &Step) -> Result<KeyFacts, RotationError> {
        let current = &look.seen.current.key;
        match step {
            Step::Prepare(spec) => self.prepare(look, spec).await,
            Step::Keep(key) => {
                look.expect_fresh()?;
                self.point(&self.name.previous(), key).await?;
                Ok(key.clone())
            }
            Step::Promote(key) => {
                look.expect_fresh()?;
                let request = self.client.update_alias().alias_name(self.name.current());
                let moved = request.target_key_id(&key.arn).customize().config_override(once());
                let moved = moved.send().await;
                moved.map_err(|error| match error.as_service_error() {
                    Some(UpdateAliasError::NotFoundException(_)) => {
                        RotationError::Overtaken(self.name.current().to_owned())
                    }
                    _ => Fault::of("UpdateAlias", error).into(),
                })?;
                Ok(key.clone())
            }
            Step::Clear => {
                look.expect_fresh()?;
                self.take_away(&self.name.next()).await?;
                Ok(current.clone())
            }
            Step::Retire(key) => {
                self.retire(look, key).await?;
                Ok(key.clone())
            }
        }
    }

    /// Creates a ring of one new key. `None` is a ring that there is already.
    ///
    /// # Errors
    /// When KMS fails.
    pub async fn create(&self, spec: &KeySpec) -> Result<KeyFacts, RotationError> {
        if aliases(&self.client).await?.contains_key(self.name.current()) {
            return Err(RotationError::Exists(self.name.clone()));
        }
        let key = self.create_key(spec, None, Vec::new()).await?;
        match self.point(self.name.current(), &key).await {
            Ok(()) => Ok(key),
            Err(error) => self.throw_away(&key, error).await,
        }
    }

    async fn prepare(&self, look: &Look, spec: &KeySpec) -> Result<KeyFacts, RotationError> {
        let current = &look.seen.current;
        let policy = self.policy(&current.key).await?;
        if let Some(key) = self.left_over(look, spec, &policy).await? {
            look.expect_fresh()?;
            self.point(&self.name.next(), &key).await?;
            return Ok(key);
        }
        let mut tags = tags(&self.client, &current.key.id).await?;
        tags.retain(|tag| tag.tag_key != RING_TAG);
        look.expect_fresh()?;
        // Without a policy KMS gives the key its usual one.
        let policy = Some(policy).filter(|policy| !is_usual(policy, &current.key));
        let key = self.create_key(spec, policy, tags).await?;
        match self.point(&self.name.next(), &key).await {
            Ok(()) => Ok(key),
            Err(error) => self.throw_away(&key, error).await,
        }
    }

    /// A key that was made for this and got no alias, as something came in between. It is newer
    /// than the current key's time as that, so it cannot have signed before it; and nobody has a
    /// right to it that a new key would not give.
    async fn left_over(
        &self,
        look: &Look,
        spec: &KeySpec,
        policy: &str,
    ) -> Result<Option<KeyFacts>, Fault> {
        let fits = |key: &KeyFacts| {
            key.spec == *spec
                && key.state == KeyState::Enabled
                && key.signs
                && key.plain
                && key.created > look.seen.current.since
        };
        let keys = unnamed(&self.client, &self.name, &look.aliases).await?;
        let Some(key) = keys.into_iter().filter(fits).min_by_key(|key| key.created) else {
            return Ok(None);
        };
        let own = self.policy(&key).await?;
        let same = own == policy || (is_usual(&own, &key) && is_usual(policy, &key));
        Ok(Some(key).filter(|_| same))
    }

    async fn policy(&self, key: &KeyFacts) -> Result<String, Fault> {
        let answer = self.client.get_key_policy().key_id(&key.id).send().await;
        let answer = answer.map_err(|error| Fault::of("GetKeyPolicy", error))?;
        answer.policy.ok_or_else(|| Fault::new("GetKeyPolicy", Cause::Unreachable))
    }

    async fn retire(&self, look: &Look, key: &KeyFacts) -> Result<(), RotationError> {
        // The alias goes last: as long as it is there, the next run knows what is to be done.
        if !matches!(key.state, KeyState::PendingDeletion(_)) {
            look.expect_fresh()?;
            let request = self.client.disable_key().key_id(&key.id).customize();
            let disabled = request.config_override(once()).send().await;
            done_before(disabled.map_err(|error| Fault::of("DisableKey", error)))?;
            look.expect_fresh()?;
            let request = self.client.schedule_key_deletion().key_id(&key.id);
            let request = request.pending_window_in_days(PENDING_DAYS).customize();
            let scheduled = request.config_override(once()).send().await;
            done_before(scheduled.map_err(|error| Fault::of("ScheduleKeyDeletion", error)))?;
        }
        look.expect_fresh()?;
        self.take_away(&self.name.previous()).await
    }

    /// Like the current key, if there is one.
    async fn create_key(
        &self,
        spec: &KeySpec,
        policy: Option<String>,
        tags: Vec<Tag>,
    ) -> Result<KeyFacts, Fault> {
        let operation = "CreateKey";
        let ring = Tag::builder().tag_key(RING_TAG).tag_value(self.name.current()).build();
        let ring = ring.map_err(|_| Fault::new(operation, Cause::Refused))?;
        let request = self
            .client
            .create_key()
            .key_spec(spec.clone())
            .key_usage(KeyUsageType::SignVerify)
            .description(format!("Signs the tokens of {}", self.name))
            // Of a policy KMS asks that whoever brings it may change it. This one is the current
            // key's, whose administrators can; the rotator needs no such right.
            .set_bypass_policy_lockout_safety_check(policy.is_some().then_some(true))
            .set_policy(policy)
            .set_tags(Some(tags))
            .tags(ring)
            .customize()
            .config_override(once());
        let answer = request.send().await.map_err(|error| Fault::of(operation, error))?;
        let metadata = answer.key_metadata.map(KeyFacts::read);
        metadata.ok_or_else(|| Fault::new(operation, Cause::Unreachable))
    }

    /// Makes a new alias of the ring.
    async fn point(&self, alias: &str, key: &KeyFacts) -> Result<(), RotationError> {
        let request = self.client.create_alias().alias_name(alias).target_key_id(&key.id);
        let request = request.customize().config_override(once());
        let Err(error) = request.send().await else { return Ok(()) };
        if !matches!(error.as_service_error(), Some(CreateAliasError::AlreadyExistsException(_))) {
            return Err(Fault::of("CreateAlias", error).into());
        }
        // By somebody else, or by an attempt of ours whose answer was lost.
        match describe(&self.client, alias).await {
            Ok(there) if there.id == key.id => Ok(()),
            _ => Err(RotationError::Overtaken(alias.to_owned())),
        }
    }

    async fn take_away(&self, alias: &str) -> Result<(), RotationError> {
        let request = self.client.delete_alias().alias_name(alias).customize();
        let gone = request.config_override(once()).send().await;
        match gone.map_err(|error| Fault::of("DeleteAlias", error)) {
            Err(fault) if fault.cause != Cause::NotFound => Err(fault.into()),
            _ => Ok(()),
        }
    }

    /// A key that has signed nothing and never will. The error is why; that the key is still there
    /// does not change it.
    async fn throw_away<T>(
        &self,
        key: &KeyFacts,
        error: RotationError,
    ) -> Result<T, RotationError> {
        // Unless the alias is seen at another key it may be at this one; and a fault may have come
        // after the deed. The next run finds what is left.
        if let RotationError::Overtaken(alias) = &error
            && describe(&self.client, alias).await.is_ok_and(|there| there.id != key.id)
        {
            let request = self.client.schedule_key_deletion().key_id(&key.id);
            let _ = request.pending_window_in_days(PENDING_DAYS_UNUSED).send().await;
        }
        Err(error)
    }

    async fn place(&self, aliases: &Aliases, alias: &str) -> Result<Option<Place>, Fault> {
        let Some((id, since)) = aliases.get(alias) else { return Ok(None) };
        let key = describe(&self.client, id).await?;
        Ok(Some(Place { key, since: *since }))
    }
}

impl Look {
    /// Between a look and a step lies a moment, and no night: the ring may be another by then.
    fn expect_fresh(&self) -> Result<(), RotationError> {
        if self.at.elapsed() > FRESH { Err(RotationError::Late) } else { Ok(()) }
    }
}

/// Why a step was not performed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// There is nothing to rotate.
    #[error("there is no {0} in this account and Region")]
    NoRing(RingName),
    /// There is nothing to create.
    #[error("{0} is there already")]
    Exists(RingName),
    /// Somebody else rotates this ring at this moment.
    #[error("somebody else has just changed {0}: look again")]
    Overtaken(String),
    /// What was seen is too old to go by.
    #[error("the ring was looked at more than a minute ago: look again")]
    Late,
    /// Somebody has to put something right first.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    /// KMS could not be asked, or does not let us.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A key that is on its way to deletion was brought there by an earlier run, or is gone by now.
fn done_before<T>(result: Result<T, Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if !matches!(fault.cause, Cause::KeyState | Cause::NotFound) => Err(fault),
        _ => Ok(()),
    }
}

/// For calls that change something: one attempt, with time enough for an RSA key. Another, made by
/// the SDK when a machine wakes up, would be as late as that, and one more `CreateKey` another key.
fn once() -> Builder {
    Config::builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build())
}

/// How soon a step has to follow a look.
const FRESH: Duration = Duration::from_mins(1);
/// The longest that KMS has for a change of mind.
const PENDING_DAYS: i32 = 30;
/// The shortest.
const PENDING_DAYS_UNUSED: i32 = 7;
/// What a call that changes something has.
const ATTEMPT: Duration = Duration::from_secs(10);
