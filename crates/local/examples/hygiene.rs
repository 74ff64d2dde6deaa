//! Whether anything that was kept of a test run is a token or a signature in a log.
//!
//! `cargo run -p local --example hygiene -- FOLDER`, with the folder that `COUNTERSIGN_EVIDENCE` named.

use std::{env, path::PathBuf, process::ExitCode};

use countersign_local::evidence::{Cleared, search};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: hygiene FOLDER");
        return ExitCode::from(2);
    };
    match search(&folder) {
        Ok(Cleared { logs, lines, secrets }) => {
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
