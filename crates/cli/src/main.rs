//! The command line of Countersign.
//!
//! Each command is one module with its arguments, its help and a `run` function: it parses the arguments,
//! calls the library crates, prints the result and returns an exit code of [`exit`].

mod aws;
mod block_on;
mod completions;
mod demo;
mod event;
mod exit;
mod explain;
mod function;
mod humanize;
mod input;
mod inspect;
mod jwks;
mod key;
mod local;
mod pem;
mod public_keys;
mod redaction;
mod reference;
mod sign;
mod signature_check;
mod signed_json;
mod template;
mod terminal;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// JWTs for Amazon API Gateway, signed by keys that never leave AWS KMS.
#[derive(Parser)]
#[command(version, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scripted demonstration on this machine, then exit.
    ///
    /// Starts KMS, Lambda and API Gateway on this machine, requests a token, presents it in several ways
    /// (valid, missing, changed, expired, with its key disabled), and rotates the key. Prints the result, the
    /// time and the number of KMS calls of each step.
    #[command(after_help = demo::HELP)]
    Demo,
    /// Run KMS, Lambda and API Gateway on this machine until Ctrl-C.
    #[command(after_help = local::HELP)]
    Local(local::Arguments),
    /// Create, show, list, roll back and rotate the keys of a ring.
    #[command(subcommand)]
    Key(key::Command),
    /// Sign a payload byte for byte with a KMS key.
    #[command(after_help = sign::HELP)]
    Sign(sign::Arguments),
    /// Check a token, with KMS or with public keys.
    #[command(after_help = verify::HELP)]
    Verify(verify::Arguments),
    /// Run the authorizer on an event, and print each check and the response.
    #[command(after_help = explain::HELP)]
    Explain(explain::Arguments),
    /// Print the header and the claims of a token without verifying it.
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::Arguments),
    /// Print the public keys of a ring as a JWK Set.
    #[command(after_help = jwks::HELP)]
    Jwks(public_keys::Arguments),
    /// Print the public keys of a ring as PEM.
    #[command(after_help = pem::HELP)]
    Pem(public_keys::Arguments),
    /// Print a sample event with a new token in it.
    #[command(after_help = event::HELP)]
    Event(event::Arguments),
    /// Print the completion script for a shell.
    #[command(after_help = completions::HELP)]
    Completions(completions::Arguments),
    /// Print a reference page of the documentation in Markdown.
    #[command(hide = true)]
    Reference {
        /// Page to print
        #[arg(value_enum)]
        page: reference::Page,
    },
    /// Run one of the Lambda functions in this process.
    #[command(hide = true)]
    Function {
        /// Function to run
        #[arg(value_enum)]
        name: function::Name,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::clap_error(&error),
    };
    match arguments.command {
        Command::Demo => demo::run(),
        Command::Local(arguments) => local::run(arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Key(command) => key::run(&command),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Jwks(arguments) => jwks::run(&arguments),
        Command::Pem(arguments) => pem::run(&arguments),
        Command::Event(arguments) => event::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Reference { page } => reference::run(page, Arguments::command()),
        Command::Function { name } => function::run(name),
    }
}
