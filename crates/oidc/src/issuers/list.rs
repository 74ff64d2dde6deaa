use std::{collections::HashMap, str::FromStr};

use super::{
    audience::normalized, entry::TrustedIssuer, error::TrustedIssuersError,
    limits::MAX_TRUSTED_ISSUERS,
};
use crate::Transport;

/// The trusted issuers: the setting `TRUSTED_ISSUERS`, a JSON list.
///
/// `FromStr` accepts URLs of `https` only.
///
/// ```
/// use countersign_oidc::{TrustedIssuers, TrustedIssuersError};
///
/// let issuers: TrustedIssuers = r#"[
///     {
///         "issuer": "https://token.actions.githubusercontent.com",
///         "audience": "https://api.example",
///         "required_claims": {"repository_owner_id": "1234567"}
///     }
/// ]"#
/// .parse()?;
/// assert!(issuers.get("https://token.actions.githubusercontent.com").is_some());
/// // Names are compared exactly.
/// assert!(issuers.get("https://token.actions.githubusercontent.com/").is_none());
///
/// let own = issuers.check_own_issuer("https://TOKEN.actions.githubusercontent.com/");
/// assert_eq!(own, Err(TrustedIssuersError::OwnIssuer(1)));
/// # Ok::<(), TrustedIssuersError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrustedIssuers {
    entries: Vec<TrustedIssuer>,
    /// The position of each entry.
    by_name: HashMap<String, usize>,
}

impl TrustedIssuers {
    /// Reads a list whose URLs may have this transport.
    ///
    /// # Errors
    /// The first problem, with the number of its entry.
    pub fn read(text: &str, transport: Transport) -> Result<Self, TrustedIssuersError> {
        let objects = jwt::json::objects(text.as_bytes()).map_err(TrustedIssuersError::Form)?;
        if objects.len() > MAX_TRUSTED_ISSUERS {
            return Err(TrustedIssuersError::TooMany(objects.len()));
        }
        let mut list = Self::default();
        let mut numbers = HashMap::new();
        for (members, number) in objects.into_iter().zip(1..) {
            let entry = TrustedIssuer::read(members, transport)
                .map_err(|problem| TrustedIssuersError::Entry { number, problem })?;
            if let Some(first) = numbers.insert(normalized(&entry.issuer), number) {
                return Err(TrustedIssuersError::SameIssuer { first, second: number });
            }
            list.by_name.insert(entry.issuer.clone(), list.entries.len());
            list.entries.push(entry);
        }
        Ok(list)
    }

    /// The entries, in their order.
    #[must_use]
    pub fn entries(&self) -> &[TrustedIssuer] {
        &self.entries
    }

    /// The entry of an `iss`, compared as exact text.
    #[must_use]
    pub fn get(&self, issuer: &str) -> Option<&TrustedIssuer> {
        self.entries.get(*self.by_name.get(issuer)?)
    }

    pub(crate) fn into_entries(self) -> Vec<TrustedIssuer> {
        self.entries
    }

    /// Whether no issuer is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Checks that no entry is the own issuer: a token must not be the proof for its own renewal.
    ///
    /// # Errors
    /// [`TrustedIssuersError::OwnIssuer`] for a name that differs at most by slashes at the end and by case.
    pub fn check_own_issuer(&self, own: &str) -> Result<(), TrustedIssuersError> {
        let own = normalized(own);
        match self.entries.iter().position(|entry| normalized(&entry.issuer) == own) {
            Some(index) => Err(TrustedIssuersError::OwnIssuer(index + 1)),
            None => Ok(()),
        }
    }
}

impl FromStr for TrustedIssuers {
    type Err = TrustedIssuersError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text, Transport::Https)
    }
}

#[cfg(test)]
mod tests;
