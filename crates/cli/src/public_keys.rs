//! The arguments and the output of `jwks` and `pem`.

use std::{error::Error, io::Write, process::ExitCode};

use clap::Args;
use jwt::Algorithm;
use kms::{KeyName, Ring};

use crate::{aws::Aws, block_on::block_on, exit, terminal};

/// Arguments of `countersign jwks` and `countersign pem`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Alias of the ring, or the id or ARN of one key
    #[arg(value_name = "ALIAS|ID")]
    key: KeyName,
    /// Signature algorithm, if it is not the default one of the key
    #[arg(long, value_name = "ALG", env = "SIGNING_ALGORITHM")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    aws: Aws,
}

/// Prints the public keys of a ring in this format.
pub(crate) fn print(arguments: &Arguments, format: impl Fn(&Ring) -> String) -> ExitCode {
    let printed = async {
        let keyring = arguments.aws.keyring(&arguments.key, arguments.algorithm).await?;
        let published = keyring.published_ring().await?;
        if let Some(fault) = &published.next_fault {
            let fault = exit::with_causes(fault);
            let mut err = terminal::stderr();
            writeln!(err, "warning: the key under {}-next is missing: {fault}", arguments.key)?;
        }
        write!(terminal::stdout(), "{}", format(&published.ring))?;
        Ok::<_, Box<dyn Error>>(ExitCode::SUCCESS)
    };
    exit::finish(false, block_on(printed))
}
