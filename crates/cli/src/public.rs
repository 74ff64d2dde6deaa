use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use jwt::{Algorithm, Jwk, JwkSet};
use kms::{Key, KeyName};

use crate::{aws::Aws, sign::keyring};

/// Whose public keys.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The ring, or a key by its id or ARN
    #[arg(value_name = "ALIAS|ID")]
    key: KeyName,
    /// The algorithm, if it is not the usual one of the key
    #[arg(long, value_name = "ALG", env = "SIGNING_ALGORITHM")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const JWKS_HELP: &str = "\
All keys of the ring that are trusted, just as the issuer publishes them. A warning says if the next
key could not be read; if the previous one could not, nothing is printed.

  countersign jwks alias/countersign > jwks.json
  countersign verify --jwks jwks.json - < token

Exit codes: 0 printed, 2 usage, 3 fault.";

pub(crate) const PEM_HELP: &str = "\
All keys of the ring that are trusted, the one that signs first; openssl takes the first. A line
before each says which it is. As for jwks, the previous key must be known.

  countersign pem alias/countersign > key.pem
  openssl pkey -pubin -in key.pem -noout -text

Exit codes: 0 printed, 2 usage, 3 fault.";

/// Prints the keys as a JWK Set.
pub(crate) fn jwks(arguments: &Arguments) -> ExitCode {
    print(arguments, |keys| {
        let jwk = |key: &&Key| Jwk {
            key: key.public.clone(),
            key_id: Some(key.id.clone()),
            algorithm: Some(key.algorithm),
        };
        format!("{}\n", JwkSet(keys.iter().map(jwk).collect()).to_json())
    })
}

/// Prints the keys as PEM.
pub(crate) fn pem(arguments: &Arguments) -> ExitCode {
    print(arguments, |keys| {
        let pem = |key: &&Key| format!("{} {}\n{}", key.id, key.algorithm, key.public.to_pem());
        keys.iter().map(pem).collect()
    })
}

fn print(arguments: &Arguments, form: impl Fn(&[&Key]) -> String) -> ExitCode {
    let printed = async {
        let client = arguments.aws.connect().await?;
        let keyring = keyring(client, &arguments.key, arguments.algorithm);
        let published = keyring.published_ring().await?;
        if let Some(fault) = &published.next_fault {
            let fault = crate::with_causes(fault);
            writeln!(
                io::stderr(),
                "warning: the key under {}-next is missing: {fault}",
                arguments.key
            )?;
        }
        let keys: Vec<&Key> = published.ring.keys().map(AsRef::as_ref).collect();
        write!(io::stdout(), "{}", form(&keys))?;
        Ok::<_, Box<dyn Error>>(ExitCode::SUCCESS)
    };
    crate::finish(crate::block_on(printed))
}
