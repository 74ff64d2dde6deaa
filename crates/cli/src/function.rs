use std::{env, io, path::PathBuf, process::ExitCode};

use clap::ValueEnum;
use local::lambda::Bootstrap;
use tokio::runtime;

/// The functions, under the names of their binaries.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    Issuer,
    Authorizer,
    Rotator,
}

/// Runs one of the functions in this process, just as its own binary does.
pub(crate) fn run(name: Name) -> ExitCode {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return crate::fault(&error),
    };
    runtime.block_on(async {
        match name {
            Name::Issuer => issuer::run().await,
            Name::Authorizer => authorizer::run().await,
            Name::Rotator => rotator::run().await,
        }
    })
}

/// Starts the functions as children of this program that are this program itself.
pub(crate) fn bootstrap() -> io::Result<Bootstrap> {
    let program: PathBuf = env::current_exe()?;
    Ok(Bootstrap { program, arguments: vec!["function".into()] })
}
