//! A ring in KMS, and what the rotation reads of it.

use aws_sdk_kms::Client;
use jwt::UnixTime;

use crate::{
    AliasTarget, Finding, Leftover, RingName, RingState, RotationError, RotationOptions, Snapshot,
    account::{Aliases, describe_key, keys_without_alias, list_aliases, read_key_policy},
    audit,
    key_policy::administrators,
};
use kms::{Cause, Fault, SuspendAwareInstant};

/// A ring in KMS: reads its state and performs the steps of the rotation.
#[derive(Debug, Clone)]
pub struct Rotation {
    pub(crate) client: Client,
    pub(crate) name: RingName,
    pub(crate) options: RotationOptions,
    allows_undated_aliases: bool,
}

impl Rotation {
    /// The ring with this name. The client needs the permissions in `docs/src/permissions.md`.
    #[must_use]
    pub fn new(client: Client, name: RingName) -> Self {
        let options = RotationOptions::default();
        Self { client, name, options, allows_undated_aliases: false }
    }

    /// Sets how the deployment changes the steps.
    #[must_use]
    pub fn with_options(self, options: RotationOptions) -> Self {
        Self { options, ..self }
    }

    /// Reads aliases without dates, which some emulators of KMS list, as if they pointed at their keys since
    /// [`UnixTime::MAX`]: no step that has to wait is ever due. Without this, such an alias is a fault. Not for a
    /// rollback, which must know that a retirement is not due.
    #[must_use]
    pub fn allowing_undated_aliases(self) -> Self {
        Self { allows_undated_aliases: true, ..self }
    }

    /// Reads the aliases of the ring and their keys.
    ///
    /// # Errors
    /// [`RotationError::NoRing`] if the ring does not exist, and [`RotationError::Fault`] if KMS fails.
    pub async fn read_state(&self) -> Result<Snapshot, RotationError> {
        let taken_at = SuspendAwareInstant::now();
        let aliases = list_aliases(&self.client).await?;
        let (next, previous) = (self.name.next(), self.name.previous());
        let (current, next, previous) = tokio::join!(
            self.alias_target(&aliases, self.name.current()),
            self.alias_target(&aliases, &next),
            self.alias_target(&aliases, &previous),
        );
        let current = current?.ok_or_else(|| RotationError::NoRing(self.name.clone()))?;
        let state = RingState { current, next: next?, previous: previous? };
        Ok(Snapshot { state, aliases, taken_at })
    }

    /// Audits the keys under the ring's aliases: whether they were created for the ring, and whether grants allow
    /// more than verification.
    ///
    /// # Errors
    /// If KMS fails.
    pub async fn audit(&self, snapshot: &Snapshot) -> Result<Vec<Finding>, Fault> {
        let retained_key = self.options.retained_key_id();
        audit::audit(&self.client, &self.name, &snapshot.state, retained_key).await
    }

    /// The ARNs of the only principals that the current key's policy allows to move its aliases. `None` if the policy
    /// leaves it to IAM.
    ///
    /// # Errors
    /// If KMS fails.
    pub async fn administrators(&self, snapshot: &Snapshot) -> Result<Option<Vec<String>>, Fault> {
        let policy = read_key_policy(&self.client, &snapshot.state.current.key.id).await?;
        Ok(administrators(&policy))
    }

    /// The enabled keys with the ring's tag and without an alias, which interrupted runs may have created. Keys that
    /// are less than 15 minutes old are not included, because a run may be about to give them an alias.
    ///
    /// # Errors
    /// If KMS fails.
    pub async fn leftovers(
        &self,
        snapshot: &Snapshot,
        now: UnixTime,
    ) -> Result<Vec<Leftover>, Fault> {
        let keys = keys_without_alias(&self.client, &self.name, &snapshot.aliases).await?;
        Ok(keys.into_iter().filter_map(|key| Leftover::new(key, now)).collect())
    }

    async fn alias_target(
        &self,
        aliases: &Aliases,
        alias: &str,
    ) -> Result<Option<AliasTarget>, Fault> {
        let Some((id, since)) = aliases.get(alias) else { return Ok(None) };
        // Without a date, every wait would seem to be over.
        let since = since.or(self.allows_undated_aliases.then_some(UnixTime::MAX));
        let since = since.ok_or_else(|| Fault::new("ListAliases", Cause::InvalidResponse))?;
        let key = describe_key(&self.client, id).await?;
        Ok(Some(AliasTarget { key, since }))
    }
}
