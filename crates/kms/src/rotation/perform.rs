use std::{collections::BTreeMap, time::Duration};

use aws_sdk_kms::{
    Client, Config,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    operation::{create_alias::CreateAliasError, update_alias::UpdateAliasError},
    types::{AliasListEntry, KeySpec, KeyUsageType, Tag},
};
use jwt::UnixTime;

use super::{
    KeyFacts, KeyState, Obstacle, Place, RingName, Seen, Step,
    seen::{EPOCH, round_up},
};
use crate::{Cause, Fault, moment::Moment};

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
    at: Moment,
}

/// Every alias of the account and Region, with the id of its key and since when it has it.
pub(super) type Aliases = BTreeMap<String, (String, UnixTime)>;

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
        let at = Moment::now();
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
                let moved = request.target_key_id(&key.arn).send().await;
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
        if let Some(key) = self.left_over(look, spec).await? {
            look.expect_fresh()?;
            self.point(&self.name.next(), &key).await?;
            return Ok(key);
        }
        let policy = self.client.get_key_policy().key_id(&current.key.id).send().await;
        let policy = policy.map_err(|error| Fault::of("GetKeyPolicy", error))?.policy;
        let tags = tags(&self.client, &current.key.id).await?;
        look.expect_fresh()?;
        let key = self.create_key(spec, policy, tags).await?;
        match self.point(&self.name.next(), &key).await {
            Ok(()) => Ok(key),
            Err(error) => self.throw_away(&key, error).await,
        }
    }

    /// A key that was made for this and got no alias, as something came in between. It is newer
    /// than the current key's time as that, so it cannot have signed before it.
    async fn left_over(&self, look: &Look, spec: &KeySpec) -> Result<Option<KeyFacts>, Fault> {
        let fits = |key: &KeyFacts| {
            key.spec == *spec
                && key.state == KeyState::Enabled
                && key.signs
                && key.created > look.seen.current.since
        };
        let keys = unnamed(&self.client, &self.name, &look.aliases).await?;
        Ok(keys.into_iter().filter(fits).min_by_key(|key| key.created))
    }

    async fn retire(&self, look: &Look, key: &KeyFacts) -> Result<(), RotationError> {
        // The alias goes last: as long as it is there, the next run knows what is to be done.
        if !matches!(key.state, KeyState::PendingDeletion(_)) {
            look.expect_fresh()?;
            let disabled = self.client.disable_key().key_id(&key.id).send().await;
            done_before(disabled.map_err(|error| Fault::of("DisableKey", error)))?;
            look.expect_fresh()?;
            let request = self.client.schedule_key_deletion().key_id(&key.id);
            let scheduled = request.pending_window_in_days(PENDING_DAYS).send().await;
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
            .set_policy(policy)
            .set_tags(Some(tags))
            .tags(ring)
            .customize()
            // Each attempt that arrives makes a key: there is one, with time enough.
            .config_override(
                Config::builder().retry_config(RetryConfig::disabled()).timeout_config(
                    TimeoutConfig::builder()
                        .operation_attempt_timeout(CREATION)
                        .operation_timeout(CREATION)
                        .build(),
                ),
            );
        let answer = request.send().await.map_err(|error| Fault::of(operation, error))?;
        let metadata = answer.key_metadata.map(KeyFacts::read);
        metadata.ok_or_else(|| Fault::new(operation, Cause::Unreachable))
    }

    /// Makes a new alias of the ring.
    async fn point(&self, alias: &str, key: &KeyFacts) -> Result<(), RotationError> {
        let request = self.client.create_alias().alias_name(alias).target_key_id(&key.id);
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
        let gone = self.client.delete_alias().alias_name(alias).send().await;
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
        // A fault may have come after the deed, and the next run will find the key in any case.
        if matches!(error, RotationError::Overtaken(_)) {
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

/// All aliases, page by page.
pub(super) async fn aliases(client: &Client) -> Result<Aliases, Fault> {
    let mut pages = client.list_aliases().into_paginator().items().send();
    let mut aliases = Aliases::new();
    while let Some(alias) = pages.next().await {
        let alias = alias.map_err(|error| Fault::of("ListAliases", error))?;
        aliases.extend(entry(alias));
    }
    Ok(aliases)
}

fn entry(alias: AliasListEntry) -> Option<(String, (String, UnixTime))> {
    // KMS has no dates for aliases of old: those have been where they are for long.
    let since = alias.last_updated_date.or(alias.creation_date);
    let since = since.as_ref().map_or(EPOCH, round_up);
    Some((alias.alias_name?, (alias.target_key_id?, since)))
}

pub(super) async fn describe(client: &Client, key: &str) -> Result<KeyFacts, Fault> {
    let answer = client.describe_key().key_id(key).send().await;
    let answer = answer.map_err(|error| Fault::of("DescribeKey", error))?;
    let metadata = answer.key_metadata.map(KeyFacts::read);
    metadata.ok_or_else(|| Fault::new("DescribeKey", Cause::Unreachable))
}

/// The keys that were made for the ring and have no alias.
pub(super) async fn unnamed(
    client: &Client,
    ring: &RingName,
    aliases: &Aliases,
) -> Result<Vec<KeyFacts>, Fault> {
    let mut pages = client.list_keys().into_paginator().items().send();
    let mut keys = Vec::new();
    while let Some(key) = pages.next().await {
        let key = key.map_err(|error| Fault::of("ListKeys", error))?.key_id.unwrap_or_default();
        if aliases.values().any(|(named, _)| *named == key) {
            continue;
        }
        match tags(client, &key).await {
            Ok(tags) if tags.iter().any(|tag| is_of(tag, ring)) => {
                keys.push(describe(client, &key).await?);
            }
            // Others have their own keys, which are nothing to us.
            Err(fault) if fault.cause.is_transient() => return Err(fault),
            _ => {}
        }
    }
    Ok(keys)
}

fn is_of(tag: &Tag, ring: &RingName) -> bool {
    tag.tag_key == RING_TAG && tag.tag_value == ring.current()
}

/// A key's tags that another key can have too.
async fn tags(client: &Client, key: &str) -> Result<Vec<Tag>, Fault> {
    let mut pages = client.list_resource_tags().key_id(key).into_paginator().items().send();
    let mut tags = Vec::new();
    while let Some(tag) = pages.next().await {
        tags.push(tag.map_err(|error| Fault::of("ListResourceTags", error))?);
    }
    tags.retain(|tag| !tag.tag_key.starts_with("aws:"));
    Ok(tags)
}

/// A key that is on its way to deletion was brought there by an earlier run, or is gone by now.
fn done_before<T>(result: Result<T, Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if !matches!(fault.cause, Cause::KeyState | Cause::NotFound) => Err(fault),
        _ => Ok(()),
    }
}

/// Every key that is made for a ring has this tag, with the ring's name.
pub(super) const RING_TAG: &str = "countersign:ring";
/// An RSA key takes KMS a second or two, now and then.
const CREATION: Duration = Duration::from_secs(10);
/// How soon a step has to follow a look.
const FRESH: Duration = Duration::from_mins(1);
/// The longest that KMS has for a change of mind.
const PENDING_DAYS: i32 = 30;
/// The shortest.
const PENDING_DAYS_UNUSED: i32 = 7;
