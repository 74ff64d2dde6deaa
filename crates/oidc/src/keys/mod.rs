//! The keys of a trusted issuer: from its entry, or fetched and cached.

mod error;
mod fetch;
mod issuer_keys;
mod remote_keys;
mod suspend_aware_time;

pub use error::{IssuerCause, IssuerFault, KeysError, RETRY_AFTER};
pub(crate) use fetch::RemoteSource;
pub(crate) use issuer_keys::IssuerKeys;
pub(crate) use remote_keys::RemoteKeys;
pub(crate) use suspend_aware_time::SuspendAwareTime;
