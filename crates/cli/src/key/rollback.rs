use std::{error::Error, process::ExitCode};

use rotation::{Rotation, RotationError};
use serde_json::json;

use super::{Ring, TimingArgs, describe, no, tell};
use crate::humanize::now;

pub(super) async fn roll_back(
    ring: &Ring,
    terms: &TimingArgs,
    dry_run: bool,
) -> Result<ExitCode, Box<dyn Error>> {
    let Ring { alias, json, aws } = ring;
    let timing = terms.policy(None)?.timing;
    let rotation = Rotation::new(aws.connect().await?, alias.clone());
    let snapshot = rotation.read_state().await?;
    if dry_run {
        let key = snapshot.state.rollback_target(now(), &timing)?;
        let words = format!("would point {alias} at {}, which signs from then on", key.id);
        return tell(*json, &json!({"would": "rollback", "key": describe(key)}), &words);
    }
    ring.announce_administrators(&rotation, &snapshot).await;
    match rotation.roll_back(&snapshot, now(), &timing).await {
        Ok(key) => {
            let words = format!(
                "pointed {alias} at {}: it signs from now on. {} stays published under {}, and the next \
                 run of a rotation promotes it again.",
                key.id,
                snapshot.state.current.key.id,
                alias.next()
            );
            tell(*json, &json!({"done": "rollback", "key": describe(&key)}), &words)
        }
        Err(error @ (RotationError::Conflict(_) | RotationError::SnapshotExpired)) => {
            no(*json, &error)
        }
        Err(error) => Err(error.into()),
    }
}
