//! Pages of the List operations.

use serde_json::{Value, json};

use super::{error::KmsError, input::Input, output::with_present};

/// The `Limit` of a List operation, from its page in the KMS API reference.
pub(crate) struct PageSize {
    pub(crate) default: u64,
    pub(crate) max: u64,
}

impl Input {
    /// The page that `Limit` and `Marker` select from rows in order of their names.
    pub(crate) fn page<'a>(
        &self,
        member: &str,
        size: &PageSize,
        rows: impl Iterator<Item = (&'a str, Value)>,
    ) -> Result<Value, KmsError> {
        let limit = self.number("Limit", 1..=size.max)?.unwrap_or(size.default);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let marker = self.text_within("Marker", MARKER_MAX_LENGTH)?;
        let mut rows = rows.skip_while(|(name, _)| marker.is_some_and(|marker| *name <= marker));
        let selected: Vec<_> = rows.by_ref().take(limit).collect();
        let is_truncated = rows.next().is_some();
        let next = selected.last().filter(|_| is_truncated).map(|(name, _)| (*name).to_owned());
        let rows: Vec<_> = selected.into_iter().map(|(_, row)| row).collect();
        let page = json!({member: rows, "Truncated": is_truncated});
        Ok(with_present(page, [("NextMarker", json!(next))]))
    }
}

/// The limit of the service model, in characters.
pub(crate) const MARKER_MAX_LENGTH: usize = 1024;
