use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use clap_complete::Shell;

use crate::exit;

/// Arguments of `countersign completions`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Shell that reads the script
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) const HELP: &str = "\
Examples:
  source <(countersign completions bash)

Exit codes: 0 printed, 2 invalid input.";

/// Prints the script for this command line.
pub(crate) fn run(arguments: &Arguments, mut command: clap::Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "countersign", &mut script);
    let written = io::stdout().write_all(&script);
    exit::finish(false, written.map(|()| ExitCode::SUCCESS).map_err(Into::into))
}
