//! Tokens that are no longer accepted although they have not expired.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
};

use jwt::{Claims, UnixTime};
use serde::Deserialize;
use serde_json::{Map, Value};

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
struct Entry {
    iss: String,
    jti: Option<String>,
    sub: Option<String>,
    issued_before: Option<u64>,
    exp: Option<u64>,
    /// A note for the readers of the list.
    #[serde(rename = "reason")]
    _reason: Option<String>,
}

impl Revocation {
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
        let entry: Entry = serde_json::from_value(entry)
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
        Ok(Self { issuer: entry.iss, tokens, expires })
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

    /// The same for the claims of an assertion.
    #[must_use]
    pub fn contains_assertion(&self, claims: &Map<String, Value>) -> bool {
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
mod tests {
    use std::convert::Infallible;

    use jwt::{Rejection, SignedParts, UnverifiedToken, Validation, Verifier};
    use serde_json::json;

    use super::*;

    struct AnySignature;

    impl Verifier for AnySignature {
        type Error = Infallible;

        async fn verify(&self, _: &SignedParts<'_>) -> Result<Result<(), Rejection>, Infallible> {
            Ok(Ok(()))
        }
    }

    async fn claims(claims: &Value) -> Claims {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut claims = claims.clone();
        claims["exp"] = 4_000_000_000_u64.into();
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token =
            [&encode(r#"{"alg":"EdDSA"}"#), &encode(&claims.to_string()), &encode(&"s".repeat(64))];
        let token = token.map(String::as_str).join(".");
        let validation = Validation::new(None, None);
        let now = UnixTime::from_seconds(1_900_000_000);
        let candidate = UnverifiedToken::parse(&token).unwrap().screen(&validation, now).unwrap();
        candidate.confirm(&AnySignature).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn exactly_the_named_tokens_are_revoked() {
        let revocations: Revocations = json!([
            {"iss": "us", "jti": "1", "exp": 1_800_000_000, "reason": "a laptop was lost"},
            {"iss": "us", "sub": "ann", "issued_before": 1000},
            {"iss": "us", "sub": "ann", "issued_before": 900},
            {"iss": "them", "jti": "2"},
        ])
        .to_string()
        .parse()
        .unwrap();
        let rows = [
            ("the token", json!({"iss": "us", "jti": "1"}), true),
            ("another token", json!({"iss": "us", "jti": "3"}), false),
            ("part of an id", json!({"iss": "us", "jti": "1 "}), false),
            ("the id of another issuer", json!({"iss": "us", "jti": "2"}), false),
            ("the other issuer", json!({"iss": "them", "jti": "2"}), true),
            ("an unknown issuer", json!({"iss": "eve", "jti": "1", "sub": "ann"}), false),
            ("no issuer", json!({"jti": "1", "sub": "ann"}), false),
            ("no id", json!({"iss": "us"}), false),
            ("the subject, before", json!({"iss": "us", "sub": "ann", "iat": 999}), true),
            ("the subject, just before", json!({"iss": "us", "sub": "ann", "iat": 999.5}), true),
            ("the subject, at the time", json!({"iss": "us", "sub": "ann", "iat": 1000}), false),
            ("the subject, after", json!({"iss": "us", "sub": "ann", "iat": 1001}), false),
            ("the subject, without iat", json!({"iss": "us", "sub": "ann"}), true),
            ("another subject", json!({"iss": "us", "sub": "bob", "iat": 999}), false),
            (
                "the subject of another issuer",
                json!({"iss": "them", "sub": "ann", "iat": 1}),
                false,
            ),
            ("both", json!({"iss": "us", "jti": "1", "sub": "ann", "iat": 2000}), true),
        ];
        for (name, members, expected) in rows {
            assert_eq!(revocations.contains(&claims(&members).await), expected, "{name}");
        }
        assert_eq!(revocations.len(), 3);
        assert!("[]".parse::<Revocations>().unwrap().is_empty());
    }

    #[test]
    fn list_that_does_not_name_tokens_is_refused() {
        let tokens = "revocation 1 must have `iss` and `jti`, or `iss`, `sub` and `issued_before`";
        let rows = [
            ("{}", "is not a JSON list of revocations: not a JSON array of objects"),
            (
                "[",
                "is not a JSON list of revocations: not JSON with unique member names and at most",
            ),
            (r#"[{"jti": "1"}]"#, "revocation 1: missing field `iss`"),
            (r#"[{"iss": "us"}]"#, tokens),
            (r#"[{"iss": "us", "sub": "ann"}]"#, tokens),
            (r#"[{"iss": "us", "issued_before": 1}]"#, tokens),
            (r#"[{"iss": "us", "jti": "1", "sub": "ann", "issued_before": 1}]"#, tokens),
            (r#"[{"iss": "us", "jti": "1", "issued_before": 1}]"#, tokens),
            (
                r#"[{"iss": "us", "jti": "1", "expires": 1}]"#,
                "revocation 1: unknown field `expires`",
            ),
            (r#"[{"iss": "us", "jti": 1}]"#, "revocation 1: a member has an invalid value"),
            (
                r#"[{"iss": "us", "jti": "1", "exp": "soon"}]"#,
                "revocation 1: a member has an invalid value",
            ),
            (
                r#"[{"iss": "us", "jti": "1", "exp": -1}]"#,
                "revocation 1: a member has an invalid value",
            ),
            (
                r#"[{"iss": "us", "jti": "1", "exp": 1800000000000}]"#,
                "revocation 1: `exp` must be in seconds since 1970",
            ),
            (
                r#"[{"iss": "us", "sub": "ann", "issued_before": 1800000000000}]"#,
                "revocation 1: `issued_before` must be in seconds since 1970",
            ),
        ];
        for (text, expected) in rows {
            let problem = text.parse::<Revocations>().unwrap_err().to_string();
            assert!(problem.starts_with(expected), "{text}: {problem}");
        }
        let list = |count: usize| {
            json!(vec![json!({"iss": "us", "jti": "1"}); count]).to_string().parse::<Revocations>()
        };
        assert!(list(10_000).is_ok());
        let problem = "has 10001 revocations, but at most 10000 are allowed: remove expired ones";
        assert_eq!(list(10_001).unwrap_err().to_string(), problem);
    }
}
