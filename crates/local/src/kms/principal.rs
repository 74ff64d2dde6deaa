//! Principals in requests.

use super::{error::KmsError, input::Input};

impl Input {
    /// The ARN of an account, a user, a role or a session ("IAM identifiers" in the IAM user guide).
    pub(crate) fn principal(&self, member: &str) -> Result<Option<String>, KmsError> {
        let Some(arn) = self.text_within(member, 256)? else { return Ok(None) };
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
        if !arn.chars().all(is_allowed) {
            return Err(KmsError::constraint(member, "satisfy regular expression pattern"));
        }
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        let is_principal = match parts.as_slice() {
            ["arn", _, "iam", "", account, name] => {
                is_account(account)
                    && (*name == "root" || has_name(name, "user/") || has_name(name, "role/"))
            }
            ["arn", _, "sts", "", account, name] => {
                is_account(account)
                    && (has_name(name, "assumed-role/") || has_name(name, "federated-user/"))
            }
            _ => false,
        };
        if !is_principal {
            return Err(KmsError::new("InvalidArnException", format!("Malformed arn: {arn}")));
        }
        Ok(Some(arn.to_owned()))
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_name(name: &str, kind: &str) -> bool {
    name.strip_prefix(kind).is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{fixture::assert_rows, input::Input};

    #[test]
    fn principals_are_accounts_users_roles_and_sessions() {
        let rows = [
            ("arn:aws:iam::000000000000:role/path/issuer", None),
            ("arn:aws:iam::000000000000:user/ann", None),
            ("arn:aws:iam::111122223333:root", None),
            ("arn:aws:sts::000000000000:assumed-role/issuer/session", None),
            ("arn:aws:sts::000000000000:federated-user/ann", None),
            ("arn:aws:iam::000000000000:group/ring", Some("InvalidArnException")),
            ("arn:aws:iam::000000000000:role/", Some("InvalidArnException")),
            ("arn:aws:iam::0:role/issuer", Some("InvalidArnException")),
            ("arn:aws:sts::000000000000:role/issuer", Some("InvalidArnException")),
            ("arn:aws:s3:::bucket", Some("InvalidArnException")),
            ("lambda.amazonaws.com", Some("InvalidArnException")),
            ("arn:aws:iam::000000000000:role/*", Some("ValidationException")),
            ("", Some("ValidationException")),
        ];
        assert_rows(rows.map(|(arn, expected)| {
            let input = Input::read(json!({"a": arn}).to_string().as_bytes()).unwrap();
            (arn, input.principal("a").err().map(|error| error.code), expected)
        }));
    }
}
