//! Stacks of an older revision, led over to the packages of this tree as CHANGELOG says.

mod administrators;
mod default_alias;
mod never_rotated;
mod rotated;

use std::fs;

use super::{
    demo,
    deployment::{Context, Deployment},
    engine::Credentials,
    packages::{Packages, architecture},
    stack::{KEY_REFRESH_SECONDS, ROTATION_SETTINGS, Stack},
    steps::outcome,
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
        self.default_alias(table)?;
        self.never_rotated(table)?;
        self.rotated(table)?;
        self.under_way(table)?;
        self.with_administrators(table)
    }

    /// Deploys the old packages.
    fn first(
        &self,
        table: &mut Table,
        deployment: &Deployment,
    ) -> Result<Option<Stack<'_>>, Error> {
        let deployed = deployment.run(self.context, self.old)?;
        table.check("sam deploy of the old template", "done", outcome(&deployed));
        Ok(deployed.ok().map(|outputs| Stack::new(self.context, deployment, outputs)))
    }

    /// Deploys the packages of this tree, and the demo with the route that the API had before. Whether that was possible.
    fn update(
        &self,
        table: &mut Table,
        stack: &mut Stack<'_>,
        deployment: &Deployment,
    ) -> Result<bool, Error> {
        let deployed = deployment.run(self.context, self.new)?;
        table.check("sam deploy of this template", "done", outcome(&deployed));
        let is_deployed = deployed.is_ok();
        if let Ok(outputs) = deployed {
            stack.set_outputs(outputs);
            if !stack.has_demo() {
                demo::deploy(self.context, self.new, table, stack)?;
            }
        }
        Ok(is_deployed)
    }

    /// Runs the script of CHANGELOG with the names of this stack.
    fn prepare_keys(&self, deployment: &Deployment) -> Result<String, Error> {
        let changelog = self.context.workspace.path("CHANGELOG.md");
        let text = fs::read_to_string(&changelog).map_err(Error::file(&changelog))?;
        let script = script(&text, &deployment.stack, &deployment.alias());
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

fn deployment(stack: &str) -> Deployment {
    let deployment = Deployment::new(stack).with("KeyAlias", &format!("alias/{stack}"));
    let deployment = deployment.with("RotationDays", "90").with("Architecture", architecture());
    // Each template ignores what only the other one has: `sam deploy` sends the parameters of the template.
    let deployment = deployment.with("PublicationWaitSeconds", "1260");
    deployment.with("KeyRefreshSeconds", KEY_REFRESH_SECONDS).with("Settings", ROTATION_SETTINGS)
}

/// The members of `Settings`, and one more.
fn shorter_lifetime() -> String {
    format!("{ROTATION_SETTINGS},TokenLifetimeSeconds=1800")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_of_the_changelog_gets_the_names() {
        let changelog = include_str!("../../../../CHANGELOG.md");
        let script = script(changelog, "s", "alias/r").unwrap();
        assert!(script.starts_with("stack=s\nring=alias/r\nfor name in"), "{script}");
        assert!(script.ends_with("done\n"), "{script}");
        assert!(
            super::script("#### Prepare the keys of a ring\n```sh\nls\npwd\n```", "", "").is_none()
        );
    }
}
