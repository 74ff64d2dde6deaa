//! The templates, by the linters of CloudFormation and SAM, and by a security scanner; the configuration files, and the
//! examples for other tools.

use crate::{error::Error, workspace::Workspace};

/// The programs of this part.
pub(super) const TOOLS: [&str; 5] = ["cfn-lint", "checkov", "npm", "npx", "sam"];

pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let mut templates = workspace.yaml_files("examples")?;
    templates.extend(workspace.yaml_files("deploy")?);
    templates.insert(0, "template.yaml".to_owned());
    workspace.command("cfn-lint")?.args(&templates).run()?;
    for template in &templates {
        let options = ["--quiet", "--compact", "--skip-download"];
        workspace.command("checkov")?.args(["--file", template]).args(options).run()?;
    }
    for template in templates.iter().filter(|template| !template.starts_with("examples")) {
        let sam = workspace.command("sam")?.env("SAM_CLI_TELEMETRY", "0");
        let options = ["--lint", "--region", "us-east-1", "--template-file", template];
        sam.args(["validate"]).args(options).run()?;
    }
    let check = ["run", "--quiet", "--locked", "-p", "countersign", "--", "check", "layer/config"];
    workspace.command("cargo")?.args(check).run()?;
    check_cdk(workspace)?;
    check_terraform(workspace)
}

/// Synthesizes the example for the CDK, and lints the template that it makes.
fn check_cdk(workspace: &Workspace) -> Result<(), Error> {
    let folder = workspace.path("examples/cdk");
    let npm = workspace.command("npm")?.in_folder(&folder);
    npm.args(["install", "--no-audit", "--no-fund", "--silent"]).run()?;
    workspace.command("npx")?.in_folder(&folder).args(["tsc", "--noEmit"]).run()?;
    let output = workspace.path("target/cdk");
    let synth = workspace.command("npx")?.in_folder(&folder);
    let synth = synth.args(["cdk", "synth", "--quiet", "--no-notices", "--output"]).args([&output]);
    synth.env("CDK_DISABLE_CLI_TELEMETRY", "true").run()?;
    workspace.command("cfn-lint")?.args([output.join("Orders.template.json")]).run()
}

/// Checks the format of the example for Terraform. Its providers would be needed to validate it.
fn check_terraform(workspace: &Workspace) -> Result<(), Error> {
    if workspace.program("terraform").is_err() {
        println!("terraform is not installed: the format of examples/terraform was not checked");
        return Ok(());
    }
    workspace.command("terraform")?.args(["fmt", "-check", "-diff", "examples/terraform"]).run()
}
