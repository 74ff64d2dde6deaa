//! Grants as the store holds them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A grant on a key. Principals are ARNs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) name: Option<String>,
    pub(crate) grantee: String,
    pub(crate) retiring: Option<String>,
    pub(crate) operations: BTreeSet<String>,
    /// Seconds since the epoch.
    pub(crate) created: f64,
}

impl Grant {
    /// Whether a request for this grant is a retry of the one that created `other`: they have the same
    /// name and the same parameters (`Name` of `CreateGrant` in the API reference).
    pub(crate) fn is_retry_of(&self, other: &Self) -> bool {
        self.name.is_some() && *self == Self { created: self.created, ..other.clone() }
    }
}
