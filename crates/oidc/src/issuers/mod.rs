//! The setting `TRUSTED_ISSUERS`: the accepted issuers, their audiences and their keys.

mod audience;
mod entry;
mod error;
mod key_source;
mod limits;
mod list;
mod members;
mod own_identity;

pub use entry::{ClaimRefusal, RequiredClaim, TrustedIssuer};
pub use error::{EntryError, TrustedIssuersError};
pub use key_source::KeySource;
pub(crate) use limits::MAX_KEYS;
pub use limits::MAX_TRUSTED_ISSUERS;
pub use list::TrustedIssuers;
pub use own_identity::OwnIdentity;
