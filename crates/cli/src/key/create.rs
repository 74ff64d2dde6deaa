use std::{error::Error, process::ExitCode};

use clap::Args;
use kms::KeySpec;
use rotation::{Rotation, RotationError};
use serde_json::json;

use super::{
    arguments::{Ring, signing_key_spec},
    output::{key_json, print, print_refusal},
    policy::{Administrator, key_policy},
};

/// Arguments of `countersign key create`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    ring: Ring,
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
}

pub(crate) const HELP: &str = "\
With --administrator, the principal that runs this command must be one of the administrators.

Examples:
  countersign key create alias/countersign
  countersign key create alias/countersign --spec ECC_NIST_P256 --dry-run
  countersign key create alias/countersign --administrator arn:aws:iam::111122223333:role/admin

Exit codes: 0 created, 1 an alias exists already, 2 invalid arguments, 3 fault.";

pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { ring, spec, administrators, dry_run } = arguments;
    let policy = key_policy(administrators)?;
    let Ring { alias, json, aws } = ring;
    let rotation = Rotation::new(aws.connect().await?, alias.clone());
    let aliases = format!("{alias}, {} and {}", alias.next(), alias.previous());
    if *dry_run {
        return match rotation.read_state().await {
            Err(RotationError::NoRing(_)) => {
                let text =
                    format!("would create a key of KeySpec {spec} and point {aliases} at it");
                let value = json!({"wouldCreate": spec.as_str(), "ring": alias.current()});
                print(*json, &value, &text)
            }
            Err(error) => Err(error.into()),
            Ok(_) => print_refusal(*json, &RotationError::Exists(alias.current().to_owned())),
        };
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
