//! `countersign`: parse, call, print.

mod demo;
mod explain;
mod function;
mod local;
mod verify;

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tokio::runtime;

/// JWTs for Amazon API Gateway, signed by keys that never leave AWS KMS.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell the whole story on this machine, step by step, then exit.
    ///
    /// Starts KMS, Lambda and API Gateway on this machine, has a token issued, and presents it good,
    /// changed and expired. Exits 0 only if every step did what it says.
    Demo,
    /// Run KMS, Lambda and API Gateway on this machine until Ctrl-C.
    #[command(after_help = local::HELP)]
    Local(local::Arguments),
    /// Say whether a token is good, with public keys from a file.
    #[command(after_help = verify::HELP)]
    Verify(verify::Arguments),
    /// Say what the authorizer makes of an event, check by check, and what policy comes back.
    #[command(after_help = explain::HELP)]
    Explain(explain::Arguments),
    /// Be one of the functions, for a Lambda host.
    #[command(hide = true)]
    Function {
        /// Which.
        #[arg(value_enum)]
        name: function::Name,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match arguments.command {
        Command::Demo => demo::run(),
        Command::Local(arguments) => local::run(arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Function { name } => function::run(name),
    }
}

/// Runs a command that waits for several things at once.
fn block_on<T, E: From<io::Error>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

/// Shows the help, or what is wrong with the arguments: not a token that stands in a wrong place.
fn usage(error: &clap::Error) -> ExitCode {
    let mut text = error.to_string();
    for argument in env::args().filter(|argument| argument.matches('.').count() > 1) {
        if argument.len() > 40 {
            text = text.replace(&argument, "(a token)");
        }
    }
    let _ = if error.use_stderr() {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAULT))
}

/// Says what is wrong, on one line or as many as it has; nothing to one who has stopped reading.
fn fault(error: &(dyn Error + 'static)) -> ExitCode {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if kind != Some(io::ErrorKind::BrokenPipe) {
        let _ = writeln!(io::stderr(), "countersign: {error}");
    }
    ExitCode::from(FAULT)
}

/// Something is in the way that the user cannot answer for.
const FAULT: u8 = 3;

const EXIT_CODES: &str = "Exit codes: 0 yes, 1 no, 2 usage, 3 fault.";
