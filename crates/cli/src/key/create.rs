use std::{error::Error, process::ExitCode};

use clap::Args;
use kms::KeySpec;
use rotation::{Rotation, RotationError};
use serde_json::json;

use super::{
    arguments::{RingArgs, signing_key_spec},
    consent::{Declined, ask, print_identity},
    output::{key_json, print, print_refusal},
    policy::{Administrator, key_policy},
};
use crate::{block_on::block_on, exit};

/// Arguments of `countersign key create`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    ring: RingArgs,
    /// `KeySpec` of the key
    #[arg(long, value_name = "KeySpec", default_value = "RSA_2048", value_parser = signing_key_spec)]
    spec: KeySpec,
    /// Principal that may administer the key and move the aliases of the ring; repeatable. All other
    /// principals may not. If omitted, IAM policies decide
    #[arg(long = "administrator", value_name = "ARN")]
    administrators: Vec<Administrator>,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Create the ring without confirmation
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

pub(crate) const HELP: &str = "\
Prints the account, the Region and the principal that it acts for, and asks before it creates the key. With
--administrator, the principal that runs this command must be one of the administrators.

Examples:
  countersign key create alias/countersign
  countersign key create alias/countersign --yes
  countersign key create alias/countersign --spec ECC_NIST_P256 --dry-run
  countersign key create alias/countersign --administrator arn:aws:iam::111122223333:role/admin

Exit codes: 0 created, 1 an alias exists already or the confirmation was declined, 2 invalid input, 3 fault.";

/// Creates the ring, and prints its key.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(arguments.ring.json, block_on(create(arguments)))
}

async fn create(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { ring, spec, administrators, dry_run, yes } = arguments;
    let policy = key_policy(administrators)?;
    let RingArgs { alias, json, aws } = ring;
    let session = aws.session().await?;
    let rotation = Rotation::new(session.client.clone(), alias.clone());
    let aliases = format!("{alias}, {} and {}", alias.next(), alias.previous());
    match rotation.read_state().await {
        Err(RotationError::NoRing(_)) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            return print_refusal(*json, &RotationError::Exists(alias.current().to_owned()));
        }
    }
    let change = format!("create a key of KeySpec {spec} and point {aliases} at it");
    if *dry_run {
        let value = json!({"wouldCreate": spec.as_str(), "ring": alias.current()});
        return print(*json, &value, &format!("would {change}"));
    }
    print_identity(&session, None).await?;
    if !yes && !ask(&change)? {
        return print_refusal(*json, &Declined);
    }
    match rotation.create(spec, policy).await {
        Ok(key) => {
            let text = format!(
                "created {}, a key of KeySpec {spec}, and pointed {aliases} at it",
                key.arn
            );
            print(*json, &json!({"ring": alias.current(), "key": key_json(&key)}), &text)
        }
        Err(error @ (RotationError::Exists(_) | RotationError::Conflict(_))) => {
            print_refusal(*json, &error)
        }
        Err(error) => Err(error.into()),
    }
}
