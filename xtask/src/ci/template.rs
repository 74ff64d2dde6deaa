//! The templates, by the linters of CloudFormation and SAM, and by a security scanner.

use crate::{error::Error, workspace::Workspace};

/// The programs of this part.
pub(super) const TOOLS: [&str; 3] = ["cfn-lint", "checkov", "sam"];

pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let mut templates = workspace.yaml_files("examples")?;
    templates.insert(0, "template.yaml".to_owned());
    workspace.command("cfn-lint")?.args(&templates).run()?;
    for template in &templates {
        let options = ["--quiet", "--compact", "--skip-download"];
        workspace.command("checkov")?.args(["--file", template]).args(options).run()?;
    }
    let sam = workspace.command("sam")?.env("SAM_CLI_TELEMETRY", "0");
    sam.args(["validate", "--lint", "--region", "us-east-1"]).run()
}
