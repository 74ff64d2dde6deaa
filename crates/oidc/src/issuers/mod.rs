//! The setting `TRUSTED_ISSUERS`: whose tokens are accepted, for whom, and with which keys.

mod audience;
mod entry;
mod error;
mod list;
mod members;

pub(crate) use entry::MAX_KEYS;
pub use entry::{KeySource, RequiredClaim, TrustedIssuer};
pub use error::{EntryError, TrustedIssuersError};
pub use list::{MAX_TRUSTED_ISSUERS, TrustedIssuers};
