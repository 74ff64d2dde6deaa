use std::fmt;

use serde_json::{Map, Value};

use crate::glob::glob_matches;

/// The caller of a request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A principal that invokes the function directly (`lambda:InvokeFunction`). The event does not contain its identity.
    Invoke,
    /// The ARN of an IAM user, role or role session, from API Gateway.
    Iam(String),
    /// A caller that proved its identity with an assertion of a trusted issuer.
    Assertion(AssertedIdentity),
}

/// The identity in a verified assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertedIdentity {
    /// The trusted issuer. For a client that signs its own assertions, its client id.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// All claims of the assertion.
    pub claims: Map<String, Value>,
}

impl Caller {
    /// Whether the `caller` of a rule matches this caller: `invoke`, `*` for every IAM caller, or an ARN. In an ARN,
    /// `*` does not match a colon. The ARN of a role also matches its sessions. No text matches a caller with an assertion.
    #[must_use]
    pub fn matches(&self, pattern: &str) -> bool {
        match self {
            Self::Invoke => pattern == "invoke",
            Self::Iam(_) if pattern == "*" => true,
            Self::Iam(arn) => {
                let role = session_role(arn);
                arn_matches(pattern, arn)
                    || role.is_some_and(|role| arn_matches(&without_role_path(pattern), &role))
            }
            Self::Assertion(_) => false,
        }
    }

    /// The name of the caller as the subject of a token: the ARN of the user or role without the session, or the subject
    /// of the assertion. `None`: the caller has no name.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        match self {
            Self::Invoke => None,
            Self::Iam(arn) => Some(session_role(arn).unwrap_or_else(|| arn.clone())),
            Self::Assertion(identity) => Some(identity.subject.clone()),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invoke => "invoke",
            Self::Iam(arn) => arn,
            Self::Assertion(identity) => &identity.issuer,
        })
    }
}

/// Why the `caller` of a rule is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// `issuer` is empty.
    #[error("`issuer` must not be empty")]
    Issuer,
    /// It is neither an ARN nor `*` nor `invoke`.
    #[error("`caller` must be `*`, `invoke`, or the ARN of an IAM user, role or session")]
    Form,
    /// The name of a role that has a path has a wildcard. The ARN of a session omits the path of its role.
    #[error(
        "`caller` has a role path and a wildcard in the role name: write the whole name, or leave out the \
         path, which the ARNs of sessions do not have"
    )]
    RolePath,
}

/// Checks the `caller` of a rule, which is one pattern or several.
pub(crate) fn check_patterns(patterns: &[String]) -> Result<(), CallerError> {
    let is_known = |pattern: &String| {
        pattern == "*" || pattern == "invoke" || pattern.splitn(6, ':').count() == 6
    };
    if patterns.is_empty() || !patterns.iter().all(is_known) {
        return Err(CallerError::Form);
    }
    if patterns.iter().any(|pattern| has_wildcard_below_role_path(pattern)) {
        return Err(CallerError::RolePath);
    }
    Ok(())
}

/// Whether a `sub`, or each one that a pattern matches, is an ARN.
pub(super) fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// Whether the pattern matches the ARN, part by part.
fn arn_matches(pattern: &str, arn: &str) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(parts).all(|(pattern, part)| glob_matches(pattern, part))
}

/// The ARN of the role of a session (`arn:aws:sts::123456789012:assumed-role/NAME/session`), without the path of the
/// role, which the ARN of a session omits.
fn session_role(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", partition, "sts", "", account, session] = &*parts else { return None };
    let name = session.strip_prefix("assumed-role/")?.split('/').next()?;
    Some(format!("arn:{partition}:iam::{account}:role/{name}"))
}

/// The pattern of a role without its path. The names of roles are unique in an account.
fn without_role_path(pattern: &str) -> String {
    match split_role_path(pattern) {
        Some((account, _, name)) => format!("{account}:role/{name}"),
        None => pattern.to_owned(),
    }
}

/// Whether the pattern is for several roles with one path. The ARN of a session does not name its path.
fn has_wildcard_below_role_path(pattern: &str) -> bool {
    split_role_path(pattern).is_some_and(|(_, _, name)| name.contains('*'))
}

/// The part up to the account, the path and the name, for a role with a path.
fn split_role_path(pattern: &str) -> Option<(&str, &str, &str)> {
    let (account, path) = pattern.split_once(":role/")?;
    let (path, name) = path.rsplit_once('/')?;
    Some((account, path, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arn_of_a_rule_matches_users_roles_and_sessions() {
        let user = "arn:aws:iam::123456789012:user/team/ann";
        let session = "arn:aws:sts::123456789012:assumed-role/orders/i-0123456789";
        let rows = [
            (user, user, true),
            ("arn:aws:iam::123456789012:user/*", user, true),
            ("arn:aws:iam::123456789012:user/team/*", user, true),
            ("arn:aws:iam::123456789012:user/*/ann", user, true),
            ("arn:aws:iam::123456789012:*", user, true),
            ("arn:aws:iam::*:user/team/ann", user, true),
            ("arn:*:iam::123456789012:user/team/a*n", user, true),
            ("*", user, true),
            ("arn:*", user, false),
            ("arn:aws:iam::*", user, false),
            ("arn:aws:iam::123456789012:user/ann", user, false),
            ("arn:aws:iam::123456789012:user/team/an", user, false),
            ("arn:aws:iam::123456789012:user/team/ann*x", user, false),
            ("arn:aws:iam::999999999999:user/team/ann", user, false),
            ("arn:aws:iam::12345678901:user/team/ann", user, false),
            ("invoke", user, false),
            ("arn:aws:iam::123456789012:role/orders", session, true),
            ("arn:aws:iam::123456789012:role/service/orders", session, true),
            ("arn:aws:iam::123456789012:role/ord*", session, true),
            ("arn:aws:iam::*:role/orders", session, true),
            ("arn:aws:sts::123456789012:assumed-role/orders/*", session, true),
            (session, session, true),
            ("arn:aws:iam::123456789012:role/order", session, false),
            ("arn:aws:iam::123456789012:role/orders/", session, false),
            ("arn:aws:iam::999999999999:role/orders", session, false),
            ("arn:aws:iam::123456789012:user/orders", session, false),
            ("arn:aws-cn:iam::123456789012:role/orders", session, false),
            ("arn:aws:sts::123456789012:assumed-role/orders", session, false),
        ];
        for (pattern, arn, expected) in rows {
            assert_eq!(Caller::Iam(arn.into()).matches(pattern), expected, "{pattern} {arn}");
        }
        let names = [Caller::Invoke, Caller::Iam(user.into())].map(|caller| caller.to_string());
        assert_eq!(names, ["invoke", user], "the names in the log line");
        assert!(Caller::Invoke.matches("invoke"));
        assert!(!Caller::Invoke.matches("*") && !Caller::Invoke.matches("inv*"));
        let session = Caller::Iam(session.into()).subject();
        assert_eq!(session.as_deref(), Some("arn:aws:iam::123456789012:role/orders"));
        assert_eq!(Caller::Iam(user.into()).subject().as_deref(), Some(user));
        assert_eq!(Caller::Invoke.subject(), None);
        // A user whose name looks like the session of a role.
        let user = "arn:aws:iam::123456789012:user/assumed-role/orders/x";
        assert!(!Caller::Iam(user.into()).matches("arn:aws:iam::123456789012:role/orders"));
    }
}
