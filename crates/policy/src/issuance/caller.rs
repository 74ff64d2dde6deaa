use std::fmt;

use crate::glob::fits;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Whoever may invoke the function (`lambda:InvokeFunction`): nobody says who it is.
    Invoke,
    /// An IAM user, a role or a session of one, by its ARN, as API Gateway found it.
    Iam(String),
}

impl Caller {
    /// Whether this is one whom a rule is for. `*` does not reach from one part of an ARN into the
    /// next, and a session of a role is the role, too.
    #[must_use]
    pub fn is(&self, pattern: &str) -> bool {
        match self {
            Self::Invoke => pattern == "invoke",
            Self::Iam(_) if pattern == "*" => true,
            Self::Iam(arn) => {
                let role = role(arn);
                arn_fits(pattern, arn)
                    || role.is_some_and(|role| arn_fits(&without_path(pattern), &role))
            }
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invoke => "invoke",
            Self::Iam(arn) => arn,
        })
    }
}

fn arn_fits(pattern: &str, arn: &str) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(parts).all(|(pattern, part)| fits(pattern, part))
}

/// The role of `arn:aws:sts::123456789012:assumed-role/NAME/session`, which has no path any more.
fn role(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", partition, "sts", "", account, session] = &*parts else { return None };
    let name = session.strip_prefix("assumed-role/")?.split('/').next()?;
    Some(format!("arn:{partition}:iam::{account}:role/{name}"))
}

/// The pattern of a role without the role's path: names are unique in an account.
fn without_path(pattern: &str) -> String {
    match role_path(pattern) {
        Some((account, _, name)) => format!("{account}:role/{name}"),
        None => pattern.to_owned(),
    }
}

/// Whether the pattern is for the roles of a path: nobody can tell those by their sessions.
pub(crate) fn is_vague(pattern: &str) -> bool {
    role_path(pattern).is_some_and(|(_, _, name)| name.contains('*'))
}

/// The account's part, the path and the name of a role that has a path.
fn role_path(pattern: &str) -> Option<(&str, &str, &str)> {
    let (account, path) = pattern.split_once(":role/")?;
    let (path, name) = path.rsplit_once('/')?;
    Some((account, path, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers() {
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
            assert_eq!(Caller::Iam(arn.into()).is(pattern), expected, "{pattern} {arn}");
        }
        let named = [Caller::Invoke, Caller::Iam(user.into())].map(|caller| caller.to_string());
        assert_eq!(named, ["invoke", user], "as the audit line has them");
        assert!(Caller::Invoke.is("invoke"));
        assert!(!Caller::Invoke.is("*") && !Caller::Invoke.is("inv*"));
        // A user who is called like a session's role.
        let odd = "arn:aws:iam::123456789012:user/assumed-role/orders/x";
        assert!(!Caller::Iam(odd.into()).is("arn:aws:iam::123456789012:role/orders"));
    }
}
