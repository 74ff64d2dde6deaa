use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

/// Why a task has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A check has failed; the text says which and where.
    #[error("{0}")]
    Check(String),
    /// A command has ended with a status other than 0.
    #[error("`{command}` failed: {status}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: ExitStatus,
    },
    /// A command could not be run.
    #[error("cannot run `{command}`: {source}")]
    Run {
        /// The command line.
        command: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A tool is neither in the folder of the tools nor on `PATH`.
    #[error("`{program}` is not installed; `.ci/run` installs it")]
    MissingTool {
        /// The name of the program.
        program: &'static str,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A source file is not valid Rust.
    #[error("{}:{line}: {source}", path.display())]
    Syntax {
        /// The source file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The error of the parser.
        source: syn::Error,
    },
    /// A program has printed JSON that is not valid.
    #[error("cannot read the output of `{command}`: {source}")]
    Json {
        /// The command line.
        command: String,
        /// The error of the parser.
        source: serde_json::Error,
    },
}

impl Error {
    /// Adds the path to an error of the file system.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}
