//! Tokens that are no longer accepted although they have not expired.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    str::FromStr,
};

use jwt::{Claims, UnixTime};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::member_error::without_value;

/// The revoked tokens: single ones by `jti`, or all tokens of a subject that were issued before a time.
///
/// ```
/// use countersign_policy::revocation::Revocations;
///
/// let revocations: Revocations = r#"[
///     {"iss": "https://issuer.example", "jti": "1c0de", "exp": 1800003600},
///     {"iss": "https://issuer.example", "sub": "ann", "issued_before": 1800000000}
/// ]"#
/// .parse()?;
/// assert_eq!(revocations.len(), 2);
/// # Ok::<(), countersign_policy::revocation::RevocationsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revocations {
    by_issuer: HashMap<String, OfIssuer>,
}

/// The revoked tokens of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct OfIssuer {
    /// The `jti` of each token.
    tokens: HashSet<String>,
    /// The time before which the tokens of a `sub` were issued.
    subjects: HashMap<String, UnixTime>,
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The issuer of the tokens.
    pub issuer: String,
    /// The revoked tokens of the issuer.
    pub tokens: RevokedTokens,
    /// The time at which all these tokens have expired, so that the entry is obsolete. `None`: it is always needed.
    pub expires: Option<UnixTime>,
    /// Why they are revoked, for people.
    pub reason: Option<String>,
}

/// The revoked tokens of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokedTokens {
    /// The token with this `jti`.
    Id(String),
    /// The tokens of a subject that were issued before a time, and those without `iat`.
    OfSubject {
        /// The `sub`.
        subject: String,
        /// The time.
        issued_before: UnixTime,
    },
}

/// Why a list of revocations is refused. Each number is that of an entry, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationsError {
    /// The text is not a JSON list of objects.
    #[error("is not a JSON list of revocations: {0}")]
    Form(String),
    /// The list is too long.
    #[error("has {0} revocations, but at most {MAX_REVOCATIONS} are allowed: remove expired ones")]
    TooMany(usize),
    /// An entry has an unknown member, or lacks one, or a member has a value of the wrong type.
    #[error("revocation {0}: {1}")]
    Member(usize, String),
    /// An entry names neither one token nor the tokens of a subject.
    #[error("revocation {0} must have `iss` and `jti`, or `iss`, `sub` and `issued_before`")]
    Tokens(usize),
    /// A time is not a number of seconds.
    #[error("revocation {number}: `{member}` must be in seconds since 1970")]
    Time {
        /// The number of the entry.
        number: usize,
        /// The member with the time.
        member: &'static str,
    },
}

/// The maximum number of revocations.
pub const MAX_REVOCATIONS: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationEntry {
    iss: String,
    jti: Option<String>,
    sub: Option<String>,
    issued_before: Option<u64>,
    exp: Option<u64>,
    reason: Option<String>,
}

impl Revocation {
    /// A revocation that is always needed, without a reason.
    #[must_use]
    pub const fn new(issuer: String, tokens: RevokedTokens) -> Self {
        Self { issuer, tokens, expires: None, reason: None }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// If an entry is refused, or if the list has too many.
    pub fn read_all(text: &str) -> Result<Vec<Self>, RevocationsError> {
        let objects = jwt::json::objects(text.as_bytes())
            .map_err(|error| RevocationsError::Form(error.to_string()))?;
        if objects.len() > MAX_REVOCATIONS {
            return Err(RevocationsError::TooMany(objects.len()));
        }
        let numbered = objects.into_iter().zip(1..);
        numbered.map(|(members, number)| Self::read(members.into(), number)).collect()
    }

    fn read(entry: Value, number: usize) -> Result<Self, RevocationsError> {
        let entry: RevocationEntry = serde_json::from_value(entry)
            .map_err(|error| RevocationsError::Member(number, without_value(&error)))?;
        let time = |seconds, member| {
            let time = UnixTime::from_seconds(seconds);
            if time <= UnixTime::MAX {
                Ok(time)
            } else {
                Err(RevocationsError::Time { number, member })
            }
        };
        let tokens = match (entry.jti, entry.sub, entry.issued_before) {
            (Some(id), None, None) => RevokedTokens::Id(id),
            (None, Some(subject), Some(seconds)) => {
                let issued_before = time(seconds, "issued_before")?;
                RevokedTokens::OfSubject { subject, issued_before }
            }
            _ => return Err(RevocationsError::Tokens(number)),
        };
        let expires = entry.exp.map(|seconds| time(seconds, "exp")).transpose()?;
        Ok(Self { issuer: entry.iss, tokens, expires, reason: entry.reason })
    }

    /// The entry as the list has it, on one line.
    ///
    /// ```
    /// use countersign_policy::revocation::Revocation;
    ///
    /// let list = r#"[{"iss": "https://issuer.example", "jti": "1c0de", "exp": 1800003600}]"#;
    /// let entries = Revocation::read_all(list)?;
    /// assert_eq!(format!("[{}]", entries[0].to_json()), list);
    /// # Ok::<(), countersign_policy::revocation::RevocationsError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { issuer, tokens, expires, reason } = self;
        let mut members = vec![("iss", json!(issuer))];
        match tokens {
            RevokedTokens::Id(id) => members.push(("jti", json!(id))),
            RevokedTokens::OfSubject { subject, issued_before } => {
                let issued_before = json!(issued_before.seconds());
                members.extend([("sub", json!(subject)), ("issued_before", issued_before)]);
            }
        }
        members.extend(expires.map(|time| ("exp", json!(time.seconds()))));
        members.extend(reason.as_ref().map(|reason| ("reason", json!(reason))));
        let members: Vec<_> =
            members.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", members.join(", "))
    }

    /// Whether this entry revokes all tokens that the other one does, as far as the entries alone say: a token that is named
    /// by its `jti` may also be one of a revoked subject.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_covered = match (&self.tokens, &other.tokens) {
            (RevokedTokens::Id(own), RevokedTokens::Id(id)) => own == id,
            (
                RevokedTokens::OfSubject { subject: own, issued_before: until },
                RevokedTokens::OfSubject { subject, issued_before },
            ) => own == subject && until >= issued_before,
            (RevokedTokens::Id(_), RevokedTokens::OfSubject { .. })
            | (RevokedTokens::OfSubject { .. }, RevokedTokens::Id(_)) => false,
        };
        self.issuer == other.issuer && is_covered
    }

    /// The tokens that are revoked, for people. `format_time` gives a time the form of the output.
    #[must_use]
    pub fn describe<T: fmt::Display>(&self, format_time: impl Fn(UnixTime) -> T) -> String {
        let issuer = &self.issuer;
        match &self.tokens {
            RevokedTokens::Id(id) => format!("the token {id} of {issuer}"),
            RevokedTokens::OfSubject { subject, issued_before } => {
                let time = format_time(*issued_before);
                format!("the tokens of {subject}, of {issuer}, issued before {time}")
            }
        }
    }
}

impl FromStr for Revocations {
    type Err = RevocationsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Revocation::read_all(text)?.into_iter().collect())
    }
}

impl FromIterator<Revocation> for Revocations {
    fn from_iter<I: IntoIterator<Item = Revocation>>(revocations: I) -> Self {
        let mut all = Self::default();
        for Revocation { issuer, tokens, .. } in revocations {
            let of_issuer = all.by_issuer.entry(issuer).or_default();
            match tokens {
                RevokedTokens::Id(id) => {
                    of_issuer.tokens.insert(id);
                }
                RevokedTokens::OfSubject { subject, issued_before } => {
                    let latest = of_issuer.subjects.entry(subject).or_insert(issued_before);
                    *latest = issued_before.max(*latest);
                }
            }
        }
        all
    }
}

impl Revocations {
    /// Whether the token with these claims is revoked. A token without `iss`, or without the claim that an entry names,
    /// is not. A token of a revoked subject without `iat` is: it may have been issued before the time.
    #[must_use]
    pub fn contains(&self, claims: &Claims) -> bool {
        self.contain(|name| claims.get(name))
    }

    /// The same for claims that have another source than [`Claims`], such as an assertion.
    #[must_use]
    pub fn contains_members(&self, claims: &Map<String, Value>) -> bool {
        self.contain(|name| claims.get(name))
    }

    fn contain<'a>(&self, claim: impl Fn(&str) -> Option<&'a Value>) -> bool {
        let text = |name: &str| claim(name).and_then(Value::as_str);
        let Some(of_issuer) = text("iss").and_then(|issuer| self.by_issuer.get(issuer)) else {
            return false;
        };
        let is_named = text("jti").is_some_and(|id| of_issuer.tokens.contains(id));
        let issued_before = text("sub").and_then(|subject| of_issuer.subjects.get(subject));
        is_named
            || issued_before.is_some_and(|time| {
                let issued_at = claim("iat").and_then(Value::as_f64);
                #[expect(clippy::cast_precision_loss, reason = "UnixTime::MAX is exact in an f64")]
                issued_at.is_none_or(|issued_at| issued_at < time.seconds() as f64)
            })
    }

    /// The issuers of revoked tokens.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.by_issuer.keys().map(String::as_str)
    }

    /// The number of single tokens and subjects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_issuer
            .values()
            .map(|of_issuer| of_issuer.tokens.len() + of_issuer.subjects.len())
            .sum()
    }

    /// Whether no token is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
