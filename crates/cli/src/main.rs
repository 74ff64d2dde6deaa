//! The command line of Countersign.
//!
//! Each command is one module with its arguments, its help and a `run` function: it parses the arguments,
//! calls the library crates, prints the result and returns an exit code of [`exit`].

mod aws;
mod block_on;
mod check;
mod completions;
mod configuration;
mod demo;
mod event;
mod exit;
mod explain;
mod function;
mod humanize;
mod input;
mod inspect;
mod issuance;
mod jwks;
mod key;
mod key_source;
mod local;
mod parameter_overrides;
mod pem;
mod pem_keys;
mod public_keys;
mod redaction;
mod reference;
mod revoke;
mod sign;
mod signature_check;
mod signed_json;
mod template;
mod template_parameters;
mod template_settings;
mod terminal;
mod token_text;
mod verify;

use std::{env, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

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
    /// Starts KMS, Lambda and API Gateway on this machine, sends requests with tokens that are accepted and
    /// tokens that are not, and rotates the key. Prints the result, the time and the number of KMS calls of
    /// each step.
    #[command(after_help = demo::HELP)]
    Demo,
    /// Run KMS, Lambda and API Gateway on this machine until Ctrl-C.
    #[command(after_help = local::HELP)]
    Local(local::Arguments),
    /// Create, show, list, roll back and rotate the keys of a ring.
    #[command(subcommand, after_help = key::HELP)]
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
    /// Explain what the issuance policy grants to a caller with a token of a trusted issuer.
    #[command(subcommand, after_help = issuance::HELP)]
    Issuance(issuance::Command),
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
    /// Check the folder of configuration files before a deployment.
    #[command(after_help = check::HELP)]
    Check(check::Arguments),
    /// Revoke tokens: edit the file with the revocations.
    #[command(after_help = revoke::HELP)]
    Revoke(revoke::Arguments),
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
        name: function::FunctionName,
    },
}

fn main() -> ExitCode {
    let matches = without_empty_variables(Arguments::command()).try_get_matches();
    let arguments = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
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
        Command::Issuance(command) => issuance::run(&command),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Jwks(arguments) => jwks::run(&arguments),
        Command::Pem(arguments) => pem::run(&arguments),
        Command::Event(arguments) => event::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Revoke(arguments) => revoke::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Reference { page } => reference::run(page, Arguments::command()),
        Command::Function { name } => function::run(name),
    }
}

/// An empty variable counts as not set, as in the functions and in the AWS CLI.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| match argument.get_env().map(env::var_os) {
        Some(Some(value)) if value.is_empty() => argument.env(NEVER_SET).hide_env(true),
        _ => argument,
    });
    command.mut_subcommands(without_empty_variables)
}

/// No variable has this name.
const NEVER_SET: &str = "=";

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that is not hidden, with its name.
    fn commands(path: &str, command: &clap::Command, all: &mut Vec<(String, clap::Command)>) {
        all.push((path.to_owned(), command.clone()));
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            commands(&format!("{path} {}", inner.get_name()), inner, all);
        }
    }

    #[test]
    fn help_has_examples_that_are_valid_and_indented() {
        let mut all = Vec::new();
        commands("countersign", &Arguments::command(), &mut all);
        assert!(all.len() > 15, "{}", all.len());
        for (path, command) in all {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
            let (examples, _) = examples.split_once("\n\nExit codes: ").unwrap_or_default();
            assert!(!examples.is_empty(), "{path}: {help}");
            let mut valid = 0;
            // A backslash continues a line.
            let examples = examples.replace("\\\n", " ");
            for line in examples.lines().filter(|line| !line.is_empty()) {
                assert!(line.starts_with("  ") && line.trim_end() == line, "{path}: {line:?}");
                // Each command of a pipe, without variables before it and redirections after it.
                for part in line.split(['|', '(', ')']) {
                    let words = part.split_whitespace().skip_while(|word| word.contains('='));
                    let words = words.take_while(|word| !matches!(*word, "<" | ">"));
                    let words: Vec<_> = words.collect();
                    if words.first() == Some(&"countersign") {
                        let parsed = Arguments::try_parse_from(&words);
                        assert!(parsed.is_ok(), "{path}: {words:?}");
                        valid += 1;
                    }
                }
            }
            assert!(valid > 0, "{path}: {examples}");
        }
    }
}
