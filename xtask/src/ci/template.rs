//! The templates, by the linters of CloudFormation and SAM, and by a security scanner.

use std::fs;

use crate::{error::Error, workspace::Workspace};

/// The programs of this part.
pub(super) const TOOLS: [&str; 3] = ["cfn-lint", "checkov", "sam"];

pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let templates = templates(workspace)?;
    workspace.command("cfn-lint")?.args(&templates).run()?;
    for template in &templates {
        let options = ["--quiet", "--compact", "--skip-download"];
        workspace.command("checkov")?.args(["--file", template]).args(options).run()?;
    }
    let sam = workspace.command("sam")?.env("SAM_CLI_TELEMETRY", "0");
    sam.args(["validate", "--lint", "--region", "us-east-1"]).run()
}

/// The template and its examples.
fn templates(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let folder = workspace.path("examples");
    let entries = fs::read_dir(&folder).map_err(Error::file(&folder))?;
    let mut examples = Vec::new();
    for entry in entries {
        let file = entry.map_err(Error::file(&folder))?.path();
        if file.extension().is_some_and(|extension| extension == "yaml") {
            examples.push(workspace.relative(&file).display().to_string());
        }
    }
    examples.sort();
    examples.insert(0, "template.yaml".to_owned());
    Ok(examples)
}
