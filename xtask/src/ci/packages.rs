//! The packages of `sam build`, alone and deployed, and the audit of the logs.

use std::fs;

use crate::{
    audit_logs,
    build::{self, Architecture},
    deploy_test, emulate,
    error::Error,
    workspace::{Workspace, announce},
};

/// The programs of this part.
pub(super) const TOOLS: [&str; 6] = ["sam", "cargo-lambda", "ministack", "aws", "curl", "unzip"];

/// Everything but the processor is as it is deployed.
pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let recordings = workspace.path(audit_logs::FOLDER);
    fs::create_dir_all(&recordings).map_err(Error::file(&recordings))?;
    workspace.command("cargo")?.args(["build", "-p", "countersign"]).run()?;

    let architecture = Architecture::of_this_machine();
    // It compiles each function alone: features that the whole workspace enables could hide one that is missing.
    build::build(workspace, architecture, None)?;
    announce("cargo xtask emulate");
    emulate::emulate(workspace, None, Some(&recordings))?;
    announce("cargo xtask deploy-test");
    deploy_test::run(workspace, &deploy_test::Arguments::default())?;
    announce(&format!("cargo xtask audit-logs {}", audit_logs::FOLDER));
    audit_logs::audit(&recordings)
}
