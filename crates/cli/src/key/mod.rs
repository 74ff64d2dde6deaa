//! `countersign key`: the keys of a ring.

mod arguments;
mod consent;
mod create;
mod list;
mod output;
mod policy;
mod rollback;
mod rotate;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) const HELP: &str = "\
Examples:
  countersign key create alias/countersign
  countersign key list
  countersign key show alias/countersign
  countersign key rotate alias/countersign --dry-run

Exit codes: see the help of each command.";

/// The commands of `countersign key`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a ring: a key and the three aliases that point at it.
    #[command(after_help = create::HELP)]
    Create(create::Arguments),
    /// Show the keys of a ring, and the next step of its rotation.
    #[command(after_help = show::HELP)]
    Show(show::Arguments),
    /// List all rings, or all current and former keys of one ring.
    #[command(after_help = list::HELP)]
    List(list::Arguments),
    /// Point a ring back at its previous key after a promotion.
    #[command(after_help = rollback::HELP)]
    Rollback(rollback::Arguments),
    /// Do the step of a rotation that is due, or start a rotation.
    #[command(after_help = rotate::HELP)]
    Rotate(rotate::Arguments),
}

/// Runs a command.
pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Create(arguments) => create::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Rollback(arguments) => rollback::run(arguments),
        Command::Rotate(arguments) => rotate::run(arguments),
    }
}
