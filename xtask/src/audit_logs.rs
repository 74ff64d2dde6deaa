//! Checks that no log of a test run contains a token or a signature.

use std::path::{Path, PathBuf};

use local::recording;
use testing::log_audit::{self, AuditReport};

use crate::error::Error;

/// Names the folder of the logs to every process of a test run.
pub(crate) const VARIABLE: &str = recording::FOLDER_VARIABLE;

/// The folder of `cargo xtask ci`, below the root.
pub(crate) const FOLDER: &str = "target/recordings";

/// Search the logs of a test run for tokens and signatures
///
/// While `COUNTERSIGN_RECORDINGS` names a folder, tests keep there what processes write and which tokens
/// and signatures are in use. Each of these is looked for whole and in pieces.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder that `COUNTERSIGN_RECORDINGS` named
    folder: PathBuf,
}

/// Searches the folder that the arguments name.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    audit(&arguments.folder)
}

/// Searches a folder. A token or a signature in a log is an error, and so is nothing to search.
pub(crate) fn audit(folder: &Path) -> Result<(), Error> {
    let audited = log_audit::audit(folder);
    let AuditReport { logs, lines, secrets } =
        audited.map_err(|error| Error::Check(format!("{}: {error}", folder.display())))?;
    println!("none of {secrets} tokens and signatures is in {lines} lines of {logs} logs");
    Ok(())
}
