//! The keys and aliases of one account in one Region.

mod alias;
mod grant;
mod history;
mod key;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use self::history::History;
use super::error::KmsError;
use crate::{account::ACCOUNT, partition::Partition};

pub(crate) use self::{
    alias::{AliasTable, Delay, StoredAlias},
    grant::Grant,
    key::{KeyUsage, StoredKey, StoredKeyState},
};

/// All keys and aliases.
pub(crate) struct Store {
    region: String,
    pub(crate) keys: BTreeMap<String, StoredKey>,
    pub(crate) aliases: AliasTable,
    /// Whether `ListAliases` omits the dates, which are optional in the service model.
    pub(crate) omits_alias_dates: bool,
    /// The age of the tags and aliases that authorization sees.
    authorization_delay: Option<Delay>,
    /// The time in seconds since the epoch, if it is not the system's.
    time: Option<f64>,
}

/// The keys and aliases of a store at one time.
pub(crate) struct StoreContents {
    keys: BTreeMap<String, StoredKey>,
    aliases: History<StoredAlias>,
}

impl Store {
    pub(crate) fn new(region: &str) -> Self {
        Self {
            region: region.into(),
            keys: BTreeMap::new(),
            aliases: AliasTable::default(),
            omits_alias_dates: false,
            authorization_delay: None,
            time: None,
        }
    }

    /// The time in seconds since the epoch with a fraction: the format of dates in AWS JSON.
    pub(crate) fn now(&self) -> f64 {
        self.time.unwrap_or_else(|| seconds(SystemTime::now()))
    }

    pub(crate) fn set_time(&mut self, time: SystemTime) {
        self.time = Some(seconds(time));
    }

    /// Delays the tags and aliases that authorization sees. `delay` is called for each key.
    pub(crate) fn delay_authorization(&mut self, delay: Delay) {
        self.authorization_delay = Some(delay);
        self.aliases.record_changes();
    }

    /// The time at which authorization reads tags and aliases, if it is delayed.
    pub(crate) fn authorization_time(&self) -> Option<f64> {
        self.authorization_delay.as_ref().map(|delay| self.now() - delay().as_secs_f64())
    }

    /// The time to record with a change of tags. It is needed only if authorization is delayed.
    pub(crate) fn tag_time(&self) -> Option<f64> {
        self.authorization_delay.as_ref().map(|_| self.now())
    }

    /// Deletes the keys whose deletion date has passed, with their aliases and grants.
    pub(crate) fn delete_expired_keys(&mut self) {
        let now = self.now();
        let is_due = |key: &StoredKey| matches!(key.state, StoredKeyState::PendingDeletion { date } if date <= now);
        let deleted: Vec<_> =
            self.keys.extract_if(.., |_, key| is_due(key)).map(|(id, _)| id).collect();
        let names =
            self.aliases.all_current().iter().filter(|(_, alias)| deleted.contains(&alias.key));
        for name in names.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.aliases.change(&name, None, now);
        }
    }

    pub(crate) fn arn(&self, resource: &str) -> String {
        self.partition().arn("kms", &self.region, ACCOUNT, resource)
    }

    pub(crate) fn partition(&self) -> Partition {
        Partition::of_region(&self.region)
    }

    /// The ARN of the account.
    pub(crate) fn account_arn(&self) -> String {
        self.partition().arn("iam", "", ACCOUNT, "root")
    }

    pub(crate) fn key_arn(&self, id: &str) -> String {
        self.arn(&format!("key/{id}"))
    }

    /// Finds a key by its id or ARN, or by the name or ARN of an alias.
    pub(crate) fn find(&self, name: &str) -> Result<&StoredKey, KmsError> {
        let resource = self.resource(name)?;
        if !resource.starts_with("alias/") {
            return self.find_key(name);
        }
        let alias = self.aliases.visible(resource, self.now());
        let alias = alias.ok_or_else(|| self.alias_not_found(resource))?;
        self.keys.get(&alias.key).ok_or_else(|| self.alias_not_found(resource))
    }

    /// Finds a key by its id or ARN, for operations that accept no alias.
    pub(crate) fn find_key(&self, name: &str) -> Result<&StoredKey, KmsError> {
        self.keys.get(self.key_id(name)?).ok_or_else(|| self.key_not_found(name))
    }

    pub(crate) fn find_key_mut(&mut self, name: &str) -> Result<&mut StoredKey, KmsError> {
        let id = self.key_id(name)?.to_owned();
        let missing = self.key_not_found(name);
        self.keys.get_mut(&id).ok_or(missing)
    }

    /// The name of the alias, if `name` is the name or ARN of one.
    pub(crate) fn alias_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.resource(name).ok().filter(|resource| resource.starts_with("alias/"))
    }

    fn key_id<'a>(&self, name: &'a str) -> Result<&'a str, KmsError> {
        let resource = self.resource(name)?;
        if resource.starts_with("alias/") {
            return Err(KmsError::validation("Invalid keyId: an alias is not accepted here"));
        }
        if !name.starts_with("arn:") {
            return Ok(resource);
        }
        resource.strip_prefix("key/").ok_or_else(|| self.key_not_found(name))
    }

    /// The part of an ARN after the account id. An ARN of another account or Region is an error.
    fn resource<'a>(&self, name: &'a str) -> Result<&'a str, KmsError> {
        if name.starts_with("key/") {
            return Err(KmsError::new("NotFoundException", format!("Invalid keyId '{name}'")));
        }
        if !name.starts_with("arn:") {
            return Ok(name);
        }
        name.strip_prefix(&*self.arn("")).ok_or_else(|| {
            KmsError::new("NotFoundException", format!("Invalid arn {name}: not of this account"))
        })
    }

    fn key_not_found(&self, name: &str) -> KmsError {
        let id = name.rsplit('/').next().unwrap_or(name);
        let arn = self.key_arn(id);
        KmsError::new("NotFoundException", format!("Key '{arn}' does not exist"))
    }

    pub(crate) fn alias_not_found(&self, name: &str) -> KmsError {
        let arn = self.arn(name);
        KmsError::new("NotFoundException", format!("Alias {arn} is not found."))
    }

    /// A copy of the keys and aliases, for [`Self::restore`].
    pub(crate) fn contents(&self) -> StoreContents {
        StoreContents { keys: self.keys.clone(), aliases: self.aliases.history().clone() }
    }

    /// Replaces the keys and aliases by those of an earlier state.
    pub(crate) fn restore(&mut self, contents: StoreContents) {
        self.keys = contents.keys;
        self.aliases.set_history(contents.aliases);
    }

    pub(crate) fn insert(&mut self, key: StoredKey) {
        self.keys.insert(key.id.clone(), key);
    }
}

/// Locks the store. A panic while it is locked leaves no partial change.
pub(crate) fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1000.0).floor() / 1000.0
}
