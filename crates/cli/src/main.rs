//! `countersign`: parse, call, print.

mod aws;
mod demo;
mod event;
mod explain;
mod function;
mod humanize;
mod input;
mod inspect;
mod key;
mod local;
mod public;
mod reference;
mod sign;
mod signature_check;
mod signed_json;
mod verify;

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::json;
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
    /// Create, show, list and rotate the keys of a ring.
    #[command(subcommand)]
    Key(key::Command),
    /// Have a payload signed as it stands.
    #[command(after_help = sign::HELP)]
    Sign(sign::Arguments),
    /// Say whether a token is good, by KMS or by public keys.
    #[command(after_help = verify::HELP)]
    Verify(verify::Arguments),
    /// Say what the authorizer makes of an event, check by check, and what policy comes back.
    #[command(after_help = explain::HELP)]
    Explain(explain::Arguments),
    /// Show what a token says of itself, with nothing verified.
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::Arguments),
    /// Print a ring's public keys as a JWK Set.
    #[command(after_help = public::JWKS_HELP)]
    Jwks(public::Arguments),
    /// Print a ring's public keys as PEM.
    #[command(after_help = public::PEM_HELP)]
    Pem(public::Arguments),
    /// Print a sample event with a fresh token in its place.
    #[command(after_help = event::HELP)]
    Event(event::Arguments),
    /// Print what makes a shell complete these commands.
    #[command(after_help = "  source <(countersign completions bash)")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print a reference page of the documentation in Markdown.
    #[command(hide = true)]
    Reference {
        /// The page
        #[arg(value_enum)]
        page: reference::Page,
    },
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
        Command::Key(command) => key::run(&command),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Jwks(arguments) => public::jwks(&arguments),
        Command::Pem(arguments) => public::pem(&arguments),
        Command::Event(arguments) => event::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "countersign", &mut script);
            let written = io::stdout().write_all(&script);
            finish(written.map(|()| ExitCode::SUCCESS).map_err(Into::into))
        }
        Command::Reference { page } => reference::run(page, Arguments::command()),
        Command::Function { name } => function::run(name),
    }
}

/// Runs a command that waits for several things at once.
fn block_on<T, E: From<io::Error>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

/// Shows the help, or what is wrong with the arguments: not a token that stands in a wrong place.
fn usage(error: &clap::Error) -> ExitCode {
    let text = without_tokens(&error.to_string());
    let _ = if error.use_stderr() {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAULT))
}

/// The exit code of a command that has said what there is to say, or what went wrong.
fn finish(done: Result<ExitCode, Box<dyn Error>>) -> ExitCode {
    done.unwrap_or_else(|error| fault(&*error))
}

/// Says what is wrong, on one line or as many as it has; nothing to one who has stopped reading.
fn fault(error: &(dyn Error + 'static)) -> ExitCode {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if kind != Some(io::ErrorKind::BrokenPipe) {
        let words = without_tokens(&with_causes(error));
        if env::args_os().any(|argument| argument == "--json") {
            let _ = writeln!(io::stdout(), "{}", json!({"error": words}));
        }
        let _ = writeln!(io::stderr(), "countersign: {words}");
    }
    ExitCode::from(if error.is::<Usage>() { USAGE } else { FAULT })
}

/// An error with each of its causes that it does not name itself.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !words.contains(&own) {
            words = format!("{words}: {own}");
        }
        cause = error.source();
    }
    words
}

/// The text with no token in it, wherever one was put by mistake.
fn without_tokens(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
    let mut rest = text;
    let mut clean = String::new();
    while let Some(start) = rest.find(fits) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !fits(c)).unwrap_or(word.len()));
        // The beginning of every JSON object in base64url.
        let token = word.len() > LONGEST_WORD || (word.contains("eyJ") && word.contains('.'));
        clean.extend([before, if token { "(a token)" } else { word }]);
        rest = after;
    }
    clean + rest
}

/// What was asked for cannot be meant so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Longer than every name that an error has a reason to say.
const LONGEST_WORD: usize = 120;
/// The answer is no.
const NO: u8 = 1;
/// As clap has it for what it does not understand.
const USAGE: u8 = 2;
/// Something is in the way that the user cannot answer for.
const FAULT: u8 = 3;

const EXIT_CODES: &str = "Exit codes: 0 yes, 1 no, 2 usage, 3 fault.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_said_again() {
        let long = format!("a {} b", "x".repeat(121));
        let rows = [
            ("--key=eyJh.eyJz.c2ln is no key", "(a token) is no key"),
            ("eyJh.eyJz: File name too long", "(a token): File name too long"),
            ("https://issuer.example/eyJh.e.s?", "https://issuer.example/(a token)?"),
            (&*long, "a (a token) b"),
            ("events/a.json: No such file", "events/a.json: No such file"),
            ("there is no alias/a, eyJ", "there is no alias/a, eyJ"),
            ("", ""),
        ];
        for (text, expected) in rows {
            assert_eq!(without_tokens(text), expected);
        }
    }
}
