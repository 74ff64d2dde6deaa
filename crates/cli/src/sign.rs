use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use jwt::{Algorithm, Signer, UnsignedToken, json};
use kms::{Client, KeyName, Keyring, KmsSigner, Stopwatch};
use serde_json::json;

use crate::{Usage, aws::Aws, input};

/// What is signed, and by which key.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A JSON object, which becomes the payload byte for byte, or - to read it from standard input
    #[arg(value_name = "CLAIMS.json")]
    claims: PathBuf,
    /// The ring whose current key signs, or a key by its id or ARN
    #[arg(long, value_name = "ALIAS|ID", env = "KEY_ALIAS")]
    key: KeyName,
    /// The header's typ
    #[arg(long, value_name = "TYPE", default_value = "JWT")]
    token_type: String,
    /// The algorithm, if it is not the usual one of the key
    #[arg(long, value_name = "ALG", env = "SIGNING_ALGORITHM")]
    algorithm: Option<Algorithm>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
Nothing is added to the claims and nothing checked but that they are a JSON object: a token without
exp will be refused by the authorizer.

  countersign sign --key alias/countersign claims.json
  echo '{\"sub\":\"test-user\",\"iss\":\"my-lambda\",\"exp\":1911744000}' |
    countersign sign --key alias/countersign - | countersign inspect -

Exit codes: 0 signed, 2 usage, 3 fault.";

/// Prints a token with the payload as it stands.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    crate::finish(crate::block_on(sign(arguments)))
}

async fn sign(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let payload = String::from_utf8(input::read(&arguments.claims)?);
    let payload = payload.map_err(|_| Usage("the claims are not UTF-8".into()))?;
    let claims = json::object(payload.as_bytes())
        .map_err(|problem| Usage(format!("the claims are no JSON object: {problem}")))?;
    let keyring = keyring(arguments.aws.connect().await?, &arguments.key, arguments.algorithm);
    let signer =
        KmsSigner { keyring: &keyring, stopwatch: &Stopwatch::default(), max_token_bytes: None };
    let draft = UnsignedToken { token_type: arguments.token_type.clone(), payload };
    let signed = Box::pin(signer.sign(&draft)).await?;
    if !claims.contains_key("exp") {
        writeln!(io::stderr(), "no exp: the authorizer refuses such a token")?;
    }
    let token = signed.token.reveal();
    if arguments.json {
        writeln!(io::stdout(), "{}", json!({"token": token, "kid": signed.key_id}))?;
    } else {
        writeln!(io::stdout(), "{token}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A ring for as long as one command takes.
pub(crate) fn keyring(
    client: Client,
    name: &KeyName,
    algorithm: Option<Algorithm>,
) -> Arc<Keyring> {
    Arc::new(Keyring::new(client, name.clone(), algorithm, Duration::from_hours(1)))
}
