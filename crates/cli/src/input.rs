//! The input of commands: tokens and JSON, from files and standard input.

use std::{
    error::Error,
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::exit::UsageError;

/// The content of a file, or of standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, UsageError> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES + 1;
    let read = if file == Path::new("-") {
        io::stdin().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| UsageError(with_path(file, &error)))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(UsageError(with_path(file, &TooLong)));
    }
    Ok(bytes)
}

/// The text of a file, or of standard input for `-`.
pub(crate) fn read_text(file: &Path) -> Result<String, UsageError> {
    String::from_utf8(read(file)?).map_err(|_| UsageError(with_path(file, &NotUtf8)))
}

/// The token in the argument, or for `-` the one on standard input, without white space at its end.
pub(crate) fn read_token(argument: &str) -> Result<String, UsageError> {
    if argument != "-" {
        return Ok(argument.trim_end().to_owned());
    }
    let bytes = read(Path::new("-"))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// An error message that names the file.
pub(crate) fn with_path(file: &Path, problem: &dyn Error) -> String {
    let name =
        if file == Path::new("-") { "standard input".into() } else { file.display().to_string() };
    format!("{name}: {problem}")
}

#[derive(Debug, thiserror::Error)]
#[error("not UTF-8")]
struct NotUtf8;

#[derive(Debug, thiserror::Error)]
#[error("longer than {} MiB", MAX_BYTES >> 20)]
pub(crate) struct TooLong;

/// Lambda's limit for the payload of an invocation.
pub(crate) const MAX_BYTES: u64 = 6 * 1024 * 1024;
