use std::{env, io, path::PathBuf, process::ExitCode};

use clap::ValueEnum;
use local::lambda::Bootstrap;
use tokio::runtime;

use crate::exit;

/// The Lambda functions, by the names of their binaries.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FunctionName {
    Issuer,
    Authorizer,
    Rotator,
}

/// Runs a function in this process, on a single thread like its own binary.
pub(crate) fn run(name: FunctionName) -> ExitCode {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(false, &error),
    };
    runtime.block_on(async {
        match name {
            FunctionName::Issuer => issuer::run().await,
            FunctionName::Authorizer => authorizer::run().await,
            FunctionName::Rotator => rotator::run().await,
        }
    })
}

/// How the local Lambda host starts the functions: as child processes of this program, which run
/// `countersign function NAME`.
pub(crate) fn bootstrap() -> io::Result<Bootstrap> {
    let program: PathBuf = env::current_exe()?;
    Ok(Bootstrap { program, arguments: vec!["function".into()] })
}
