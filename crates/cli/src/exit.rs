//! Exit codes, and how commands report errors.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use aws_smithy_types::error::ErrorMetadata;
use serde_json::json;

use crate::{
    redaction::redact_tokens,
    terminal::{self, escape},
};

/// The command ran, and its answer is no.
pub(crate) const NO: u8 = 1;
/// The input is invalid: an argument, a setting or a file. The same code as clap's.
const USAGE: u8 = 2;
/// The command cannot tell, for example because KMS fails.
pub(crate) const FAULT: u8 = 3;

pub(crate) const HELP: &str = "\
Examples:
  countersign demo
  countersign local
  countersign key show alias/countersign

Exit codes: 0 yes, 1 no, 2 invalid input, 3 fault: the command cannot tell.";

/// Invalid input that clap does not detect.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// The exit code of a command, which prints JSON or text. Reports its error, if it failed.
pub(crate) fn finish(json: bool, result: Result<ExitCode, Box<dyn Error>>) -> ExitCode {
    result.unwrap_or_else(|error| report(json, &*error))
}

/// Prints an error with its causes, for a command that prints JSON in JSON too. A closed pipe is not reported:
/// the reader of the output ended early.
pub(crate) fn report(json: bool, error: &(dyn Error + 'static)) -> ExitCode {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if kind != Some(io::ErrorKind::BrokenPipe) {
        let message = escape(&redact_tokens(&with_causes(error)));
        if json {
            let _ = writeln!(terminal::stdout(), "{}", json!({"error": message}));
        }
        let _ = writeln!(terminal::stderr(), "countersign: {message}");
    }
    ExitCode::from(if error.is::<UsageError>() { USAGE } else { FAULT })
}

/// Prints clap's help, or its error about the arguments without the tokens among them.
pub(crate) fn clap_error(error: &clap::Error) -> ExitCode {
    let text = redact_tokens(&error.to_string());
    let _ = if error.use_stderr() {
        terminal::stderr().write_all(text.as_bytes())
    } else {
        terminal::stdout().write_all(text.as_bytes())
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAULT))
}

/// An error followed by those of its causes that its message does not contain, in one line.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    join_causes(error.to_string(), error.source())
}

/// The causes of an error of the SDK whose own message is generic.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let causes = join_causes(String::new(), error.source());
    if causes.is_empty() { with_causes(error) } else { causes }
}

fn join_causes(mut message: String, mut cause: Option<&(dyn Error + 'static)>) -> String {
    while let Some(error) = cause {
        let text = cause_text(error);
        if message.is_empty() {
            message = text;
        } else if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    let words: Vec<_> = message.split(['\n', '\r']).map(str::trim).collect();
    words.join(" ")
}

/// The text of a cause. It is empty for a generic message of the SDK, which does not help an operator.
fn cause_text(error: &(dyn Error + 'static)) -> String {
    if let Some(answer) = error.downcast_ref::<ErrorMetadata>() {
        let parts = [answer.code(), answer.message()];
        return parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
    }
    let text = error.to_string();
    let generic = [
        "service error",
        "dispatch failure",
        "io error",
        "unhandled error",
        "client error",
        "an error occurred while loading credentials",
    ];
    if generic.iter().any(|start| text.starts_with(start)) {
        return String::new();
    }
    if text.starts_with("Error at offset") {
        return "the response is not JSON".into();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Cause(&'static str, #[source] Option<Box<dyn Error + Send + Sync>>);

    fn chain(texts: &[&'static str], last: Option<Box<dyn Error + Send + Sync>>) -> Cause {
        let mut source = last;
        let mut causes = texts.iter().rev().copied();
        let first = causes.next_back();
        for text in causes {
            source = Some(Box::new(Cause(text, source)));
        }
        Cause(first.unwrap_or_default(), source)
    }

    #[test]
    fn causes_are_joined_in_one_line_without_generic_messages() {
        let answer = ErrorMetadata::builder().code("AccessDenied").message("not you").build();
        let rows = [
            (chain(&["a", "b", "b"], None), "a: b"),
            (chain(&["a\n  b", "c"], None), "a b: c"),
            (chain(&["a", "dispatch failure", "io error", "refused"], None), "a: refused"),
            (
                chain(
                    &["a", "service error", "unhandled error (AccessDenied)"],
                    Some(Box::new(answer)),
                ),
                "a: AccessDenied: not you",
            ),
            (chain(&["a", "Error at offset 0: unexpected"], None), "a: the response is not JSON"),
        ];
        for (error, expected) in rows {
            assert_eq!(with_causes(&error), expected);
        }
    }
}
