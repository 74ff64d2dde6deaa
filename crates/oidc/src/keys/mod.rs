//! The keys of a trusted issuer: from its entry, or fetched and cached.

mod error;
mod fetch;
mod issuer_keys;
mod moment;
mod remote_keys;

pub use error::{IssuerCause, IssuerFault, KeysError};
pub(crate) use fetch::RemoteSource;
pub(crate) use issuer_keys::IssuerKeys;
pub(crate) use moment::Moment;
pub(crate) use remote_keys::RemoteKeys;
