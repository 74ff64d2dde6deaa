//! A stack that was never rotated.

use serde_json::{Value, json};

use super::{Upgrade, deployment, shorter_lifetime};
use crate::{
    deploy_test::{
        deployment::Context,
        engine::Credentials,
        stack::Stack,
        steps::{accepted, issued, keys, published, step},
        table::Table,
    },
    error::Error,
};

impl Upgrade<'_> {
    /// CHANGELOG: deploy, and keep `CreateKey=yes`.
    pub(super) fn never_rotated(&self, table: &mut Table) -> Result<(), Error> {
        table.part("A stack that was never rotated");
        let deployment = deployment("never-rotated");
        let Some(mut stack) = self.first(table, &deployment)? else { return Ok(()) };
        let old_token = issued(table, &stack, "old functions: a new token", 'A')?;
        accepted(table, &stack, "old functions", &old_token, 200)?;
        table.check("old functions: the ring", "A none none", stack.ring()?);
        let logs_role = logs_role(self.context)?;
        let issuer = stack.output("TokenIssuer")?.to_owned();

        if !self.update(table, &mut stack, &deployment)? {
            return Ok(());
        }
        table.check("the ring: the template makes the three aliases", "A A A", stack.ring()?);
        keys(table, &stack, &[('A', "Enabled")])?;
        let tag = format!("countersign:ring={}", deployment.alias());
        let has_tag = stack.key('A')?.1.contains(&tag);
        table.check("key A has the tag of the ring", true, has_tag);
        table.check("the issuer of the tokens stays", issuer, stack.output("TokenIssuer")?);
        let token = issued(table, &stack, "the same key signs", 'A')?;
        accepted(table, &stack, "a new token", &token, 200)?;
        accepted(table, &stack, "the token from before", &old_token, 200)?;
        table.check(
            "the log role of API Gateway stays",
            true,
            logs_role == self::logs_role(self.context)?,
        );
        published(table, &stack, "A")?;

        step(table, &stack, "prepare", "A B A")?;
        published(table, &stack, "A B")?;
        issued(table, &stack, "the key that signs after prepare", 'A')?;
        accepted(table, &stack, "the token from before", &old_token, 200)?;
        step(table, &stack, "promote", "B B A")?;
        let new_token = issued(table, &stack, "the key that signs after promote", 'B')?;
        accepted(table, &stack, "a token of the new key", &new_token, 200)?;
        accepted(table, &stack, "the token from before", &old_token, 200)?;
        published(table, &stack, "A B")?;

        let again =
            deployment.clone().tagged("environment", "test").with("Settings", &shorter_lifetime());
        if !self.update(table, &mut stack, &again)? {
            return Ok(());
        }
        table.check("the changed parameter has an effect: expires_in", 1800, lifetime(&stack)?);
        table.check("the ring after the second update", "B B A", stack.ring()?);
        keys(table, &stack, &[('A', "Enabled"), ('B', "Enabled")])?;
        issued(table, &stack, "the key that signs", 'B')?;
        accepted(table, &stack, "a token of the new key", &new_token, 200)?;
        accepted(table, &stack, "the token from before", &old_token, 200)?;

        step(table, &stack, "retire", "B B B")?;
        keys(table, &stack, &[('A', "Disabled"), ('B', "Enabled")])?;
        published(table, &stack, "B")?;
        accepted(table, &stack, "a token of the new key", &new_token, 200)?;
        accepted(table, &stack, "a token of the retired key", &old_token, 401)
    }
}

/// The `expires_in` of a new token.
fn lifetime(stack: &Stack<'_>) -> Result<u64, Error> {
    let root = Credentials::root();
    let response = stack.request_token(Some(&root), &json!({"claims": {"sub": "test-user"}}))?;
    let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
    Ok(body.get("expires_in").and_then(Value::as_u64).unwrap_or_default())
}

/// The role with which API Gateway writes logs, if it exists.
fn logs_role(context: &Context<'_>) -> Result<Option<String>, Error> {
    let account = context.aws.call(&["apigateway", "get-account"])?;
    let Some(arn) = account.get("cloudwatchRoleArn").and_then(Value::as_str) else {
        return Ok(None);
    };
    let name = arn.rsplit('/').next().unwrap_or_default();
    let role = context.aws.call(&["iam", "get-role", "--role-name", name])?;
    Ok(role.pointer("/Role/Arn").and_then(Value::as_str).map(str::to_owned))
}
