//! Stacks that were rotated.

use super::{Upgrade, deployment, shorter_lifetime};
use crate::{
    deploy_test::{
        stack::Stack,
        steps::{accepted, issued, keys, outcome, published, step},
        table::Table,
    },
    error::Error,
};

impl Upgrade<'_> {
    /// CHANGELOG: let a rotation under way end, prepare the keys with the script, and deploy with `CreateKey=no`.
    pub(super) fn rotated(&self, table: &mut Table) -> Result<(), Error> {
        table.part("A stack that was rotated");
        let deployment = deployment("rotated").with("ApiGatewayLogsRole", "existing");
        let Some(mut stack) = self.first(table, &deployment)? else { return Ok(()) };
        issued(table, &stack, "old functions: a new token", 'A')?;
        rotate_old(&stack, |ring| ring == "B none none")?;
        table.check("old functions: the ring after a rotation", "B none none", stack.ring()?);
        let old_token = issued(table, &stack, "old functions: a new token", 'B')?;
        accepted(table, &stack, "old functions", &old_token, 200)?;

        let refused = deployment.run(self.context, self.new)?;
        let found = match &refused {
            Err(reason) if reason.contains("was not found") => "the key was not found",
            other => outcome(other),
        };
        table.check("sam deploy with CreateKey=yes", "the key was not found", found);
        table.check("the ring after the refused deployment", "B none none", stack.ring()?);
        accepted(table, &stack, "the token from before", &old_token, 200)?;

        table.check("the script of CHANGELOG", "done", self.prepare_keys(&deployment)?);
        let deployment = deployment.with("CreateKey", "no");
        if !self.update(table, &mut stack, &deployment)? {
            return Ok(());
        }
        table.check("the ring", "B none none", stack.ring()?);
        keys(table, &stack, &[('B', "Enabled")])?;
        issued(table, &stack, "the same key signs", 'B')?;
        accepted(table, &stack, "the token from before", &old_token, 200)?;

        step(table, &stack, "complete", "B B B")?;
        published(table, &stack, "B")?;
        step(table, &stack, "prepare", "B C B")?;
        published(table, &stack, "B C")?;
        step(table, &stack, "promote", "C C B")?;
        let new_token = issued(table, &stack, "the key that signs after promote", 'C')?;
        accepted(table, &stack, "a token of the new key", &new_token, 200)?;
        accepted(table, &stack, "the token from before", &old_token, 200)?;

        let again = deployment.tagged("environment", "test").with("Settings", &shorter_lifetime());
        if !self.update(table, &mut stack, &again)? {
            return Ok(());
        }
        table.check("the ring after the second update", "C C B", stack.ring()?);
        keys(table, &stack, &[('B', "Enabled"), ('C', "Enabled")])?;
        issued(table, &stack, "the key that signs", 'C')?;
        accepted(table, &stack, "a token of the new key", &new_token, 200)?;
        accepted(table, &stack, "the token from before", &old_token, 200)?;

        step(table, &stack, "retire", "C C C")?;
        keys(table, &stack, &[('B', "PendingDeletion"), ('C', "Enabled")])?;
        accepted(table, &stack, "a token of the new key", &new_token, 200)?;
        accepted(table, &stack, "a token of the retired key", &old_token, 401)
    }

    /// CHANGELOG: a rotation that is under way continues from any of the old states.
    pub(super) fn under_way(&self, table: &mut Table) -> Result<(), Error> {
        table.part("A stack in the middle of a rotation");
        let deployment = deployment("under-way").with("ApiGatewayLogsRole", "existing");
        let Some(mut stack) = self.first(table, &deployment)? else { return Ok(()) };
        let old_token = issued(table, &stack, "old functions: a new token", 'A')?;
        rotate_old(&stack, |ring| ring.starts_with('B'))?;
        table.check("old functions: the ring after promote", "B B A", stack.ring()?);
        let new_token = issued(table, &stack, "old functions: a new token", 'B')?;

        let refused = deployment.run(self.context, self.new)?;
        let found = match &refused {
            Err(reason) if reason.contains("already exists") => "an alias already exists",
            other => outcome(other),
        };
        table.check("sam deploy with CreateKey=yes", "an alias already exists", found);
        table.check("the ring after the refused deployment", "B B A", stack.ring()?);

        table.check("the script of CHANGELOG", "done", self.prepare_keys(&deployment)?);
        if !self.update(table, &mut stack, &deployment.with("CreateKey", "no"))? {
            return Ok(());
        }
        table.check("the ring", "B B A", stack.ring()?);
        issued(table, &stack, "the same key signs", 'B')?;
        accepted(table, &stack, "a token from before", &old_token, 200)?;
        accepted(table, &stack, "a token from before", &new_token, 200)?;
        published(table, &stack, "A B")?;
        step(table, &stack, "retire", "B B B")?;
        keys(table, &stack, &[('A', "PendingDeletion"), ('B', "Enabled")])?;
        accepted(table, &stack, "a token from before", &new_token, 200)?;
        accepted(table, &stack, "a token of the retired key", &old_token, 401)
    }
}

/// Runs the old rotator until the ring is as this function wants it.
fn rotate_old(stack: &Stack<'_>, is_reached: impl Fn(&str) -> bool) -> Result<(), Error> {
    for _ in 0..OLD_STEPS {
        stack.rotate()?;
        if is_reached(&stack.ring()?) {
            break;
        }
    }
    Ok(())
}

/// More than a rotation has.
const OLD_STEPS: u32 = 6;
