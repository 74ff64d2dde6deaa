use std::{error::Error, process::ExitCode};

use clap::Args;
use rotation::{Rotation, RotationError, Snapshot};
use serde_json::json;

use super::{
    arguments::{RingArgs, TimingArgs},
    consent::{Declined, ask, print_identity},
    output::{key_json, print, print_administrators, print_refusal},
};
use crate::{block_on::block_on, exit, humanize::now};

/// Arguments of `countersign key rollback`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    ring: RingArgs,
    #[command(flatten)]
    timing: TimingArgs,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Move the alias without confirmation
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

pub(crate) const HELP: &str = "\
Moves alias/NAME from the current key to the key under -previous. Both keys stay trusted, so no token becomes
invalid. It is refused if the previous key is due to be retired within ten minutes. The key that signed
before stays published under -next, and the next rotation run promotes it again: stop the rotator first.
Prints the account, the Region and the principal that it acts for, and asks before it moves the alias.

Examples:
  countersign key rollback alias/countersign --dry-run
  countersign key rollback alias/countersign

Exit codes: 0 moved, 1 another run changed the ring first or the confirmation was declined, 2 invalid
input, 3 fault or no key to roll back to.";

/// Moves the alias back, and prints the key that signs.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(arguments.ring.json, block_on(rollback(arguments)))
}

async fn rollback(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let RingArgs { alias, json, aws } = &arguments.ring;
    let timing = arguments.timing.read(None)?.0.timing;
    let session = aws.session().await?;
    let rotation = Rotation::new(session.client.clone(), alias.clone());
    let mut snapshot = rotation.read_state().await?;
    let change = |snapshot: &Snapshot| {
        let key = snapshot.state.rollback_target(now(), &timing)?;
        Ok::<_, RotationError>(format!("point {alias} at {}, which signs from then on", key.id))
    };
    let planned = change(&snapshot)?;
    if arguments.dry_run {
        let key = snapshot.state.rollback_target(now(), &timing)?;
        let text = format!("would {planned}");
        return print(*json, &json!({"would": "rollback", "key": key_json(key)}), &text);
    }
    print_identity(&session, Some(&snapshot.state.current.key.arn)).await?;
    print_administrators(alias, &rotation, &snapshot).await;
    if !arguments.yes {
        if !ask(&planned)? {
            return print_refusal(*json, &Declined);
        }
        // The confirmation may have taken hours.
        snapshot = rotation.read_state().await?;
        if change(&snapshot)? != planned {
            return print_refusal(*json, &RotationError::Conflict(alias.current().to_owned()));
        }
    }
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
