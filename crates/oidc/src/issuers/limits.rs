//! The limits of the list and of its entries.

/// The number of entries.
pub const MAX_TRUSTED_ISSUERS: usize = 100;
/// The length of a name or URL in an entry.
pub(super) const MAX_NAME_CHARS: usize = 512;
/// The number of names in a list of an entry, such as `audience`.
pub(super) const MAX_NAMES: usize = 16;
/// The number of claims in `required_claims`.
pub(super) const MAX_REQUIRED_CLAIMS: usize = 16;
/// The number of values of one of them.
pub(super) const MAX_CLAIM_VALUES: usize = 16;
/// The number of keys of one issuer.
pub(crate) const MAX_KEYS: usize = 100;
