//! Stacks of an older revision, led over to the packages of this tree as CHANGELOG says.

use std::fs;

use serde_json::{Value, json};

use super::{
    deployment::{Context, Deployment},
    engine::Credentials,
    packages::Packages,
    stack::{KEY_REFRESH_SECONDS, Stack},
    steps::{accepted, issued, keys, outcome, published, step},
    table::Table,
};
use crate::error::Error;

/// The packages of before and of now.
pub(super) struct Upgrade<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) old: &'a Packages,
    pub(super) new: &'a Packages,
}

impl Upgrade<'_> {
    pub(super) fn run(&self, table: &mut Table) -> Result<(), Error> {
        self.never_rotated(table)?;
        self.rotated(table)
    }

    /// CHANGELOG: deploy, and keep `CreateKey=yes`.
    fn never_rotated(&self, table: &mut Table) -> Result<(), Error> {
        Table::part("A stack that was never rotated");
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
            deployment.clone().tagged("environment", "test").with("TokenLifetimeSeconds", "1800");
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

    /// CHANGELOG: let a rotation under way end, prepare the keys with the script, and deploy with `CreateKey=no`.
    fn rotated(&self, table: &mut Table) -> Result<(), Error> {
        Table::part("A stack that was rotated");
        let deployment = deployment("rotated").with("ApiGatewayLogsRole", "existing");
        let Some(mut stack) = self.first(table, &deployment)? else { return Ok(()) };
        issued(table, &stack, "old functions: a new token", 'A')?;
        // Prepare, promote, retire, and what else the steps of the revision are.
        for _ in 0..OLD_STEPS {
            stack.rotate()?;
            if stack.ring()? == "B none none" {
                break;
            }
        }
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

        let again = deployment.tagged("environment", "test").with("TokenLifetimeSeconds", "1800");
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

    /// Deploys the old packages.
    fn first(
        &self,
        table: &mut Table,
        deployment: &Deployment,
    ) -> Result<Option<Stack<'_>>, Error> {
        let deployed = deployment.run(self.context, self.old)?;
        table.check("sam deploy of the old template", "deployed", outcome(&deployed));
        Ok(deployed.ok().map(|outputs| Stack::new(self.context, deployment, outputs)))
    }

    /// Deploys the packages of this tree. Whether that was possible.
    fn update(
        &self,
        table: &mut Table,
        stack: &mut Stack<'_>,
        deployment: &Deployment,
    ) -> Result<bool, Error> {
        let deployed = deployment.run(self.context, self.new)?;
        table.check("sam deploy of this template", "deployed", outcome(&deployed));
        let is_deployed = deployed.is_ok();
        if let Ok(outputs) = deployed {
            stack.set_outputs(outputs);
        }
        Ok(is_deployed)
    }

    /// Runs the script of CHANGELOG with the names of this stack.
    fn prepare_keys(&self, deployment: &Deployment) -> Result<String, Error> {
        let changelog = self.context.workspace.path("CHANGELOG.md");
        let text = fs::read_to_string(&changelog).map_err(Error::file(&changelog))?;
        let script = script(&text, &deployment.stack, deployment.alias());
        let script =
            script.ok_or_else(|| Error::Check(format!("CHANGELOG.md has no script `{SCRIPT}`")))?;
        let folder = self.context.engine.folder().join("script");
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let bash = self.context.workspace.command("bash")?.args(["-c", &script]).in_folder(&folder);
        let mut command = bash.into_command();
        command.env("PATH", self.context.workspace.search_path("aws"));
        command.envs(self.context.engine.variables(&Credentials::root()));
        let output = command.output();
        let output = output.map_err(|source| Error::Run { command: "bash".into(), source })?;
        let printed = String::from_utf8_lossy(&output.stdout);
        // It prints a line only for a key that it cannot prepare.
        Ok(if output.status.success() && !printed.contains("by hand") {
            "done".into()
        } else {
            format!("{}: {printed}{}", output.status, String::from_utf8_lossy(&output.stderr))
        })
    }
}

/// The heading of the script.
const SCRIPT: &str = "#### Prepare the keys of a ring";
/// More than a rotation has.
const OLD_STEPS: u32 = 6;

fn deployment(stack: &str) -> Deployment {
    let deployment = Deployment::new(stack).with("RotationDays", "90");
    deployment.with("PublicationWaitSeconds", "1260").with("KeyRefreshSeconds", KEY_REFRESH_SECONDS)
}

/// The script below its heading, with these values in its first two lines.
fn script(changelog: &str, stack: &str, alias: &str) -> Option<String> {
    let (_, below) = changelog.split_once(SCRIPT)?;
    let (_, script) = below.split_once("```sh\n")?;
    let (script, _) = script.split_once("```")?;
    let mut lines = script.lines();
    let (first, second) = (lines.next()?, lines.next()?);
    (first.starts_with("stack=") && second.starts_with("ring=")).then_some(())?;
    let rest: String = lines.flat_map(|line| [line, "\n"]).collect();
    Some(format!("stack={stack}\nring={alias}\n{rest}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_of_the_changelog_gets_the_names() {
        let changelog = include_str!("../../../CHANGELOG.md");
        let script = script(changelog, "s", "alias/r").unwrap();
        assert!(script.starts_with("stack=s\nring=alias/r\nfor name in"), "{script}");
        assert!(script.ends_with("done\n"), "{script}");
        assert!(
            super::script("#### Prepare the keys of a ring\n```sh\nls\npwd\n```", "", "").is_none()
        );
    }
}
