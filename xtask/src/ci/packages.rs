//! The packages of `sam build`, alone and deployed, and the audit of the logs.

use std::{env, fs};

use crate::{
    audit_logs, deploy_test, emulate,
    error::Error,
    workspace::{Workspace, announce},
};

/// The programs of this part.
pub(super) const TOOLS: [&str; 5] = ["sam", "cargo-lambda", "ministack", "aws", "curl"];

/// Everything but the processor is as it is deployed.
pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let evidence = workspace.path(audit_logs::FOLDER);
    fs::create_dir_all(&evidence).map_err(Error::file(&evidence))?;
    // Each function alone: features that the whole workspace enables could hide one that is missing.
    for function in ["issuer", "authorizer", "rotator"] {
        workspace.command("cargo")?.args(["check", "-p", function]).run()?;
    }
    workspace.command("cargo")?.args(["build", "-p", "countersign"]).run()?;

    let architecture = if env::consts::ARCH == "aarch64" { "arm64" } else { "x86_64" };
    let sam = workspace.command("sam")?.env("SAM_CLI_TELEMETRY", "0").args(["build"]);
    let parameters = format!("Architecture={architecture}");
    sam.args(["--parameter-overrides", &parameters]).run()?;
    announce("cargo xtask emulate");
    emulate::emulate(workspace, None, Some(&evidence))?;
    announce("cargo xtask deploy-test");
    deploy_test::run(workspace, &deploy_test::Arguments::default())?;
    announce(&format!("cargo xtask audit-logs {}", audit_logs::FOLDER));
    audit_logs::audit(&evidence)
}
