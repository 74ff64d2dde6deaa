//! The templates, by the linters of CloudFormation and SAM, and by a security scanner; the configuration files, and the
//! examples for other tools.

use std::fs;

use crate::{error::Error, workspace::Workspace};

/// The programs of this part.
pub(super) const TOOLS: [&str; 5] = ["cfn-lint", "checkov", "npm", "npx", "sam"];

/// Runs the checks; `validates_terraform` says whether Terraform may download its providers.
pub(super) fn run(workspace: &Workspace, validates_terraform: bool) -> Result<(), Error> {
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
    compare_parameter_overrides(workspace)?;
    check_cdk(workspace)?;
    check_terraform(workspace, validates_terraform)
}

/// Compares the cases of `--parameter-overrides` with the SAM CLI, in the Python that runs it.
fn compare_parameter_overrides(workspace: &Workspace) -> Result<(), Error> {
    let sam = workspace.program("sam")?;
    let python = fs::canonicalize(&sam).map_err(Error::file(&sam))?.with_file_name("python");
    let script = "interop/sam_parameter_overrides.py";
    let cases = "crates/cli/src/parameter_overrides/cases.json";
    workspace.command_at(&python).args([script, cases]).run()
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

/// Checks the format of the example for Terraform, and validates it with the schema of its provider.
fn check_terraform(workspace: &Workspace, validates: bool) -> Result<(), Error> {
    if !validates && workspace.program("terraform").is_err() {
        println!("terraform is not installed: examples/terraform was not checked");
        return Ok(());
    }
    workspace.command("terraform")?.args(["fmt", "-check", "-diff", "examples/terraform"]).run()?;
    if !validates {
        println!("examples/terraform was not validated: --validate-terraform does it");
        return Ok(());
    }
    // The example refers to a packaged template, and Terraform writes into the folder of the example.
    let folder = workspace.path("target/terraform");
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    for (from, to) in
        [("examples/terraform/main.tf", "main.tf"), ("template.yaml", "packaged.yaml")]
    {
        let from = workspace.path(from);
        fs::copy(&from, folder.join(to)).map_err(Error::file(&from))?;
    }
    for arguments in [&["init", "-backend=false", "-input=false"][..], &["validate"]] {
        workspace.command("terraform")?.in_folder(&folder).args(arguments).run()?;
    }
    Ok(())
}
