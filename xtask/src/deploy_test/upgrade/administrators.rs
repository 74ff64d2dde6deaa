//! A stack with key administrators.

use super::{Upgrade, deployment};
use crate::{
    deploy_test::{
        steps::{accepted, issued, step},
        table::Table,
        users::User,
    },
    error::Error,
};

impl Upgrade<'_> {
    /// CHANGELOG: write each ARN with its path, and give IAM permissions for the key.
    pub(super) fn with_administrators(&self, table: &mut Table) -> Result<(), Error> {
        table.part("A stack with KeyAdministrators, ES256 and local verification");
        let [administrator, operator] = [
            User::create(self.context, "administrator", &["kms:*"], "*")?,
            User::create(self.context, "operator", &["kms:*"], "*")?,
        ];
        let deployment = deployment("administered")
            .with("ApiGatewayLogsRole", "existing")
            .with("KeyAdministrators", &administrator.arn)
            .with("KeySpec", "ECC_NIST_P256")
            .with("SigningAlgorithm", "ES256")
            .with("Verification", "local");
        let Some(mut stack) = self.first(table, &deployment)? else { return Ok(()) };
        let old_token = issued(table, &stack, "old functions: a new token", 'A')?;
        if !self.update(table, &mut stack, &deployment)? {
            return Ok(());
        }
        table.check("the ring", "A A A", stack.ring()?);
        let alias = format!("{}-next", deployment.alias());
        let update = ["kms", "update-alias", "--alias-name", &alias, "--target-key-id"];
        let update = [&update[..], &[stack.output("KeyArn")?]].concat();
        let found = administrator.call(self.context, &update)?;
        table.check("an alias moved by the key administrator", "allowed", found);
        let found = operator.call(self.context, &update)?;
        table.check("an alias moved by another user with kms:*", "AccessDenied", found);
        issued(table, &stack, "the same key signs", 'A')?;
        accepted(table, &stack, "the token from before", &old_token, 200)?;
        step(table, &stack, "prepare", "A B A")?;
        step(table, &stack, "promote", "B B A")?;
        let new_token = issued(table, &stack, "the key that signs after promote", 'B')?;
        accepted(table, &stack, "a token of the new key", &new_token, 200)?;
        accepted(table, &stack, "the token from before", &old_token, 200)
    }
}
