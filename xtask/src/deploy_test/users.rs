//! IAM users.

use serde_json::{Value, json};

use super::{
    deployment::Context,
    engine::{ACCOUNT, Credentials},
};
use crate::error::Error;

/// An IAM user with an access key.
pub(super) struct User {
    pub(super) arn: String,
    pub(super) credentials: Credentials,
}

impl User {
    /// Creates a user that may do these actions on this resource, if there are any.
    pub(super) fn create(
        context: &Context<'_>,
        name: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Self, Error> {
        context.aws.call(&["iam", "create-user", "--user-name", name])?;
        if !actions.is_empty() {
            let statement = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
            let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
            let put = ["iam", "put-user-policy", "--user-name", name, "--policy-name", "own"];
            context.aws.call(&[&put[..], &["--policy-document", &policy]].concat())?;
        }
        let created = context.aws.call(&["iam", "create-access-key", "--user-name", name])?;
        let text = |member: &str| {
            let found = created.pointer(&format!("/AccessKey/{member}")).and_then(Value::as_str);
            found.map(str::to_owned)
        };
        let credentials = text("AccessKeyId").zip(text("SecretAccessKey"));
        let (access_key, secret_key) = credentials
            .ok_or_else(|| Error::Check(format!("the user {name} has no access key")))?;
        let arn = format!("arn:aws:iam::{ACCOUNT}:user/{name}");
        Ok(Self { arn, credentials: Credentials { access_key, secret_key } })
    }

    /// Calls an operation. The code of the error, if it is refused.
    pub(super) fn call(&self, context: &Context<'_>, arguments: &[&str]) -> Result<String, Error> {
        let aws = context.engine.aws(context.workspace, &self.credentials)?;
        Ok(match aws.call(arguments) {
            Ok(_) => "allowed".into(),
            Err(error) => code(&error.to_string()),
        })
    }
}

/// The code in `An error occurred (CODE) when …`, or all of the text.
fn code(text: &str) -> String {
    let code = text.split_once("An error occurred (").and_then(|(_, rest)| rest.split_once(')'));
    let code = code.map_or(text, |(code, _)| code);
    code.strip_suffix("Exception").unwrap_or(code).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_an_error_is_read() {
        let rows = [
            (
                "`aws kms sign` failed: An error occurred (AccessDeniedException) when calling",
                "AccessDenied",
            ),
            ("An error occurred (AccessDenied) when calling the Sign operation", "AccessDenied"),
            ("`aws` is not installed", "`aws` is not installed"),
        ];
        let failed = rows.iter().filter(|(text, expected)| code(text) != *expected);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    }
}
