//! Keys as the store holds them.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{grant::Grant, history::History};
use crate::kms::{
    crypto::{KeyMaterial, KeySpec},
    error::KmsError,
};

/// A KMS key.
#[derive(Clone)]
pub(crate) struct StoredKey {
    pub(crate) id: String,
    pub(crate) spec: KeySpec,
    pub(crate) usage: KeyUsage,
    pub(crate) material: Arc<KeyMaterial>,
    pub(crate) state: StoredKeyState,
    /// Seconds since the epoch.
    pub(crate) created: f64,
    pub(crate) description: String,
    pub(crate) policy: String,
    pub(crate) tags: History<String>,
    /// The grants by id.
    pub(crate) grants: BTreeMap<String, Grant>,
}

/// `KeyUsage` of the KMS API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyUsage {
    SignVerify,
    EncryptDecrypt,
}

/// `KeyState` of the KMS API.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredKeyState {
    Enabled,
    Disabled,
    PendingDeletion { date: f64 },
}

impl StoredKey {
    /// A key with new material. The account with this ARN owns it.
    pub(crate) fn new(
        spec: KeySpec,
        usage: KeyUsage,
        created: f64,
        account: &str,
    ) -> Result<Self, KmsError> {
        Ok(Self {
            id: Uuid::new_v4().to_string(),
            spec,
            usage,
            material: Arc::new(KeyMaterial::generate(spec)?),
            state: StoredKeyState::Enabled,
            created,
            description: String::new(),
            policy: DEFAULT_POLICY.replace("ACCOUNT", account),
            tags: History::default(),
            grants: BTreeMap::new(),
        })
    }
}

impl KeyUsage {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SignVerify => "SIGN_VERIFY",
            Self::EncryptDecrypt => "ENCRYPT_DECRYPT",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::SignVerify, Self::EncryptDecrypt].into_iter().find(|usage| usage.name() == name)
    }
}

impl StoredKeyState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
        }
    }
}

/// The policy of a key that is created without one ("Default key policy" in the developer guide).
const DEFAULT_POLICY: &str = r#"{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "ACCOUNT"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}"#;
