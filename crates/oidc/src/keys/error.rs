use std::{sync::Arc, time::Duration};

use jwt::{KeyError, UnusableKey};

use crate::{FetchError, MetadataError, issuers::MAX_KEYS};

/// Why it is not known whether an assertion is valid: the keys of its issuer are not available. The assertion is neither
/// accepted nor refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the keys of the trusted issuer {issuer:?} are not available")]
pub struct IssuerFault {
    /// The name of the entry.
    pub issuer: String,
    /// The error of the last attempt. Requests within the next seconds get the same error without another attempt.
    #[source]
    pub error: Arc<KeysError>,
    /// Whether the last keys of the issuer are still in use, and none of them has the `kid` of the assertion. The `kid`
    /// may be that of a newer key. But any client can send an unknown `kid`, so this fault does not prove that callers
    /// are affected.
    pub has_keys: bool,
}

/// The kinds of faults, for logs and metrics.
///
/// ```
/// assert_eq!(countersign_oidc::IssuerCause::Unreachable.code(), "IssuerUnreachable");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerCause {
    /// The provider does not respond, or reports a temporary error. It may respond again soon.
    Unreachable,
    /// The response of the provider has no usable keys. An operator must correct the entry, or the provider.
    Keys,
}

/// Why the keys of an issuer are not available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// A document could not be fetched.
    #[error("{url}")]
    Fetch {
        /// The URL of the metadata or of the keys.
        url: String,
        /// Why.
        #[source]
        error: FetchError,
    },
    /// The metadata are refused.
    #[error("{url}")]
    Metadata {
        /// The URL of the metadata.
        url: String,
        /// Why.
        #[source]
        error: MetadataError,
    },
    /// The document is not a JWK Set.
    #[error("{url}")]
    KeySet {
        /// The URL of the keys.
        url: String,
        /// Why.
        #[source]
        error: KeyError,
    },
    /// The document has too many JSON objects. It is not parsed.
    #[error("{0}: the document has too many objects")]
    TooManyObjects(String),
    /// The set has too many keys.
    #[error("the key set has {0} keys, but at most {MAX_KEYS} are allowed")]
    TooManyKeys(usize),
    /// No key of the set can verify a token with the algorithms of the entry.
    #[error("the key set has no usable key for the algorithms of the entry")]
    NoUsableKey,
    /// The key that the token names is malformed. Other keys of the set are not affected.
    #[error("the key set has a malformed key")]
    Malformed(#[source] UnusableKey),
    /// The last attempt was ended before the provider responded.
    #[error("the last attempt to fetch the keys was interrupted")]
    Interrupted,
}

impl IssuerFault {
    pub(crate) fn new(issuer: &str, error: KeysError) -> Self {
        Self { issuer: issuer.to_owned(), error: Arc::new(error), has_keys: false }
    }

    /// The kind of the fault.
    #[must_use]
    pub fn cause(&self) -> IssuerCause {
        match &*self.error {
            KeysError::Fetch { error, .. } if error.is_unreachable() => IssuerCause::Unreachable,
            KeysError::Interrupted => IssuerCause::Unreachable,
            _ => IssuerCause::Keys,
        }
    }

    /// After how long a client should repeat its request.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        RETRY_AFTER
    }
}

/// After how long a client should repeat a request whose response needs keys that are not available.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

impl IssuerCause {
    /// The stable name of the cause in logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "IssuerUnreachable",
            Self::Keys => "IssuerKeys",
        }
    }
}
