use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    error::KmsError,
    grants::Grant,
    material::Material,
    propagation::{Aliases, Delay, History},
    spec::Spec,
};

/// All keys and aliases of one account in one Region.
pub(super) struct Store {
    region: String,
    pub(super) keys: BTreeMap<String, Key>,
    pub(super) aliases: Aliases,
    /// Whether `ListAliases` leaves out the dates, which are optional in the service model.
    pub(super) omits_alias_dates: bool,
    /// How far authorization is behind the tags and aliases.
    authorization_delay: Option<Delay>,
    /// What time it is, where that is not the machine's.
    time: Option<f64>,
}

/// A KMS key.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) spec: Spec,
    pub(super) usage: Usage,
    pub(super) material: Arc<Material>,
    pub(super) state: State,
    pub(super) created: f64,
    pub(super) description: String,
    pub(super) policy: String,
    pub(super) tags: History<String>,
    /// By their ids.
    pub(super) grants: BTreeMap<String, Grant>,
}

/// A `KeyUsage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    SignVerify,
    EncryptDecrypt,
}

/// A `KeyState`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum State {
    Enabled,
    Disabled,
    PendingDeletion { date: f64 },
}

/// A name for a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Alias {
    pub(super) key: String,
    pub(super) created: f64,
    pub(super) updated: f64,
}

impl Store {
    pub(super) fn new(region: &str) -> Self {
        Self {
            region: region.into(),
            keys: BTreeMap::new(),
            aliases: Aliases::default(),
            omits_alias_dates: false,
            authorization_delay: None,
            time: None,
        }
    }

    /// Seconds since the epoch with a fraction, as AWS JSON writes a date.
    pub(super) fn now(&self) -> f64 {
        self.time.unwrap_or_else(|| seconds(SystemTime::now()))
    }

    pub(super) fn set_time(&mut self, time: SystemTime) {
        self.time = Some(seconds(time));
    }

    /// Authorization sees tags and aliases as late as this says, which is called each time.
    pub(super) fn delay_authorization(&mut self, delay: Delay) {
        self.authorization_delay = Some(delay);
        self.aliases.keep_past();
    }

    /// The time whose tags and aliases count for authorization now, if they are delayed.
    pub(super) fn authorization_time(&self) -> Option<f64> {
        self.authorization_delay.as_ref().map(|delay| self.now() - delay().as_secs_f64())
    }

    /// The time of a change of tags, if authorization needs to know it.
    pub(super) fn tag_time(&self) -> Option<f64> {
        self.authorization_delay.as_ref().map(|_| self.now())
    }

    /// Deletes the keys whose time has come, and with a key its aliases and grants.
    pub(super) fn bury(&mut self) {
        let now = self.now();
        let due = |key: &Key| matches!(key.state, State::PendingDeletion { date } if date <= now);
        let gone: Vec<_> = self.keys.extract_if(.., |_, key| due(key)).map(|(id, _)| id).collect();
        let names = self.aliases.all().iter().filter(|(_, alias)| gone.contains(&alias.key));
        for name in names.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.aliases.change(&name, None, now);
        }
    }

    pub(super) fn arn(&self, resource: &str) -> String {
        format!("arn:aws:kms:{}:{ACCOUNT}:{resource}", self.region)
    }

    pub(super) fn key_arn(&self, id: &str) -> String {
        self.arn(&format!("key/{id}"))
    }

    /// A key by id or ARN, or by the name or ARN of an alias.
    pub(super) fn find(&self, name: &str) -> Result<&Key, KmsError> {
        let resource = self.resource(name)?;
        if !resource.starts_with("alias/") {
            return self.find_key(name);
        }
        let alias = self.aliases.seen(resource, self.now());
        let alias = alias.ok_or_else(|| self.no_alias(resource))?;
        self.keys.get(&alias.key).ok_or_else(|| self.no_alias(resource))
    }

    /// A key by id or ARN: some operations take no alias.
    pub(super) fn find_key(&self, name: &str) -> Result<&Key, KmsError> {
        self.keys.get(self.key_id(name)?).ok_or_else(|| self.no_key(name))
    }

    pub(super) fn find_key_mut(&mut self, name: &str) -> Result<&mut Key, KmsError> {
        let id = self.key_id(name)?.to_owned();
        let missing = self.no_key(name);
        self.keys.get_mut(&id).ok_or(missing)
    }

    /// The name of the alias, if a key is named by the name or ARN of one.
    pub(super) fn alias_name<'a>(&self, name: &'a str) -> Option<&'a str> {
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
        resource.strip_prefix("key/").ok_or_else(|| self.no_key(name))
    }

    /// The part of an ARN after the account, which must be this one's.
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

    fn no_key(&self, name: &str) -> KmsError {
        let id = name.rsplit('/').next().unwrap_or(name);
        let arn = self.key_arn(id);
        KmsError::new("NotFoundException", format!("Key '{arn}' does not exist"))
    }

    pub(super) fn no_alias(&self, name: &str) -> KmsError {
        let arn = self.arn(name);
        KmsError::new("NotFoundException", format!("Alias {arn} is not found."))
    }

    pub(super) fn insert(&mut self, key: Key) {
        self.keys.insert(key.id.clone(), key);
    }
}

impl Key {
    pub(super) fn new(spec: Spec, usage: Usage, created: f64) -> Result<Self, KmsError> {
        Ok(Self {
            id: Uuid::new_v4().to_string(),
            spec,
            usage,
            material: Arc::new(Material::generate(spec)?),
            state: State::Enabled,
            created,
            description: String::new(),
            policy: DEFAULT_POLICY.into(),
            tags: History::default(),
            grants: BTreeMap::new(),
        })
    }
}

impl Usage {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SignVerify => "SIGN_VERIFY",
            Self::EncryptDecrypt => "ENCRYPT_DECRYPT",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::SignVerify, Self::EncryptDecrypt].into_iter().find(|usage| usage.name() == name)
    }
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
        }
    }
}

fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1000.0).floor() / 1000.0
}

/// The account of everything on this machine.
pub(crate) const ACCOUNT: &str = "000000000000";

/// What KMS gives a key that is created without a policy.
const DEFAULT_POLICY: &str = r#"{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::000000000000:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}"#;
