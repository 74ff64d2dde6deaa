use std::{error::Error, process::ExitCode};

use clap::Args;
use rotation::{Rotation, RotationError};
use serde_json::json;

use super::{
    arguments::{Ring, TimingArgs},
    output::{key_json, print, print_administrators, print_refusal},
};
use crate::humanize::now;

/// Arguments of `countersign key rollback`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    ring: Ring,
    #[command(flatten)]
    timing: TimingArgs,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) const HELP: &str = "\
Moves alias/NAME from the current key to the key under -previous. Both keys stay trusted, so no token becomes
invalid. It is refused if the previous key is due to be retired within ten minutes. The key that signed
before stays published under -next, and the next rotation run promotes it again: stop the rotator first.

Examples:
  countersign key rollback alias/countersign --dry-run
  countersign key rollback alias/countersign

Exit codes: 0 moved, 1 another run changed the ring first, 2 invalid arguments, 3 fault or no
key to roll back to.";

pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let Ring { alias, json, aws } = &arguments.ring;
    let timing = arguments.timing.rotation_config(None)?.timing;
    let rotation = Rotation::new(aws.connect().await?, alias.clone());
    let snapshot = rotation.read_state().await?;
    if arguments.dry_run {
        let key = snapshot.state.rollback_target(now(), &timing)?;
        let text = format!("would point {alias} at {}, which signs from then on", key.id);
        return print(*json, &json!({"would": "rollback", "key": key_json(key)}), &text);
    }
    print_administrators(alias, &rotation, &snapshot).await;
    match rotation.roll_back(&snapshot, now(), &timing).await {
        Ok(key) => {
            let text = format!(
                "pointed {alias} at {}, which signs from now on. {} stays published under {}, and the next \
                 rotation run promotes it again.",
                key.id,
                snapshot.state.current.key.id,
                alias.next()
            );
            print(*json, &json!({"done": "rollback", "key": key_json(&key)}), &text)
        }
        Err(error @ (RotationError::Conflict(_) | RotationError::SnapshotExpired)) => {
            print_refusal(*json, &error)
        }
        Err(error) => Err(error.into()),
    }
}
