//! Exit codes, and how commands report errors.

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use serde_json::json;

use crate::redaction::redact_tokens;

/// The command ran, and its answer is no.
pub(crate) const NO: u8 = 1;
/// The arguments are invalid; the same code as clap's.
const USAGE: u8 = 2;
/// The command cannot tell, for example because KMS fails.
pub(crate) const FAULT: u8 = 3;

pub(crate) const HELP: &str = "\
Examples:
  countersign demo
  countersign local
  countersign key show alias/countersign

Exit codes: 0 yes, 1 no, 2 invalid arguments, 3 fault: the command cannot tell.";

/// Invalid arguments that clap does not detect.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// The exit code of a command. Reports its error, if it failed.
pub(crate) fn finish(result: Result<ExitCode, Box<dyn Error>>) -> ExitCode {
    result.unwrap_or_else(|error| report(&*error))
}

/// Prints an error with its causes, in JSON too if the command line has `--json`. A closed pipe is not
/// reported: the reader of the output ended early.
pub(crate) fn report(error: &(dyn Error + 'static)) -> ExitCode {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if kind != Some(io::ErrorKind::BrokenPipe) {
        let message = redact_tokens(&with_causes(error));
        if env::args_os().any(|argument| argument == "--json") {
            let _ = writeln!(io::stdout(), "{}", json!({"error": message}));
        }
        let _ = writeln!(io::stderr(), "countersign: {message}");
    }
    ExitCode::from(if error.is::<UsageError>() { USAGE } else { FAULT })
}

/// Prints clap's help, or its error about the arguments without the tokens among them.
pub(crate) fn clap_error(error: &clap::Error) -> ExitCode {
    let text = redact_tokens(&error.to_string());
    let _ = if error.use_stderr() {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAULT))
}

/// An error followed by those of its causes that its message does not contain.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}
