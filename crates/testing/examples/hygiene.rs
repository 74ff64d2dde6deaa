//! Whether anything that was kept of a test run is a token or a signature in a log.
//!
//! `cargo run -p countersign-testing --example hygiene -- FOLDER`, with the folder that `COUNTERSIGN_EVIDENCE` named.

use std::{env, path::PathBuf, process::ExitCode};

use countersign_testing::log_audit::{AuditReport, audit};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: hygiene FOLDER");
        return ExitCode::from(2);
    };
    match audit(&folder) {
        Ok(AuditReport { logs, lines, secrets }) => {
            println!(
                "Of {secrets} tokens and signatures nothing is in {lines} lines of {logs} streams."
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
