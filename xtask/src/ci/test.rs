//! The tests and the demo.

use std::fs;

use super::counts::Counts;
use crate::{
    audit_logs,
    error::Error,
    workspace::{Workspace, announce},
};

/// The two commands of the README. What every process writes, and every token, is kept for the audit.
pub(super) fn run(workspace: &Workspace, counts: &mut Option<Counts>) -> Result<(), Error> {
    let recordings = workspace.path(audit_logs::FOLDER);
    if recordings.exists() {
        fs::remove_dir_all(&recordings).map_err(Error::file(&recordings))?;
    }
    fs::create_dir_all(&recordings).map_err(Error::file(&recordings))?;
    let cargo = || Ok(workspace.command("cargo")?.env(audit_logs::VARIABLE, &recordings));

    let log = recordings.join("tests.log");
    let tests = cargo()?.args(["test", "--workspace"]).run_into(&log);
    let output = fs::read(&log).map_err(Error::file(&log))?;
    *counts = Some(Counts::of(&String::from_utf8_lossy(&output)));
    tests?;
    let demo = recordings.join("demo.log");
    cargo()?.args(["run", "-p", "countersign", "--", "demo"]).run_into(&demo)?;
    announce("cargo xtask audit-logs");
    audit_logs::audit(&recordings)
}
