use std::{error::Error, io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use jwt::{Algorithm, Rejection, Signer, UnsignedToken, json};
use kms::{KeyName, KmsSigner, RequestMetrics};
use serde_json::json;

use crate::{
    aws::Aws,
    block_on::block_on,
    exit::{self, UsageError},
    input::{self, with_path},
    terminal,
};

/// Arguments of `countersign sign`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// File with the claims, a JSON object that is signed byte for byte, or `-` for stdin
    #[arg(value_name = "CLAIMS.json")]
    claims: PathBuf,
    /// Alias of the ring whose current key signs, or the id or ARN of a key
    #[arg(long, value_name = "ALIAS|ID", env = "KEY_ALIAS")]
    key: KeyName,
    /// `typ` of the header
    #[arg(long, value_name = "TYPE", default_value = "JWT")]
    token_type: String,
    /// Signature algorithm, if it is not the default one of the key
    #[arg(long, value_name = "ALG", env = "SIGNING_ALGORITHM")]
    algorithm: Option<Algorithm>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
Adds no claims, and checks only that the payload is a JSON object. The authorizer refuses a token without exp.

Examples:
  countersign sign --key alias/countersign claims.json
  echo '{\"sub\":\"test-user\",\"iss\":\"my-lambda\",\"exp\":1911744000}' |
    countersign sign --key alias/countersign - | countersign inspect -

Exit codes: 0 signed, 2 invalid input, 3 fault.";

/// Prints a token whose payload is the input byte for byte.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(arguments.json, block_on(sign(arguments)))
}

async fn sign(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let payload = input::read_text(&arguments.claims)?;
    let claims = json::object(payload.as_bytes())
        .map_err(|problem| UsageError(with_path(&arguments.claims, &problem)))?;
    let keyring = arguments.aws.keyring(&arguments.key, arguments.algorithm).await?;
    let signer =
        KmsSigner { keyring: &keyring, metrics: &RequestMetrics::default(), max_token_bytes: None };
    let unsigned = UnsignedToken { token_type: arguments.token_type.clone(), payload };
    let signed = Box::pin(signer.sign(&unsigned)).await?;
    if jwt::expiry(&claims) == Err(Rejection::NoExpiry) {
        let warning = "warning: the claims have no exp: the authorizer refuses such a token";
        writeln!(terminal::stderr(), "{warning}")?;
    }
    let token = signed.token.reveal();
    if arguments.json {
        writeln!(terminal::stdout(), "{}", json!({"token": token, "kid": signed.key_id}))?;
    } else {
        writeln!(terminal::stdout(), "{token}")?;
    }
    Ok(ExitCode::SUCCESS)
}
