use std::{error::Error, io::Write, process::ExitCode};

use clap::Args;
use jwt::UnixTime;
use rotation::{KeyMetadata, KeyRole, KeyState, RingKey, RingName, list};
use serde_json::json;

use super::output::key_json;
use crate::{
    aws::Aws,
    block_on::block_on,
    exit::{self, NO},
    humanize::{HumanTime, now},
    terminal,
};

/// Arguments of `countersign key list`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Alias of the ring; without it, all rings of the account and Region
    #[arg(value_name = "ALIAS")]
    alias: Option<RingName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: Aws,
}

pub(crate) const HELP: &str = "\
Examples:
  countersign key list
  countersign key list alias/countersign

Exit codes: 0 listed, 1 no keys found, 2 invalid input, 3 fault.";

/// Prints the keys.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(arguments.json, block_on(list_keys(arguments)))
}

async fn list_keys(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let keys = list(&arguments.aws.connect().await?, arguments.alias.as_ref()).await?;
    let now = now();
    let mut out = terminal::stdout();
    if arguments.json {
        let row = |key: &RingKey| {
            json!({
                "ring": key.ring, "role": key.role.name(),
                "since": key.since.map(UnixTime::seconds), "key": key_json(&key.key),
            })
        };
        writeln!(out, "{}", json!(keys.iter().map(row).collect::<Vec<_>>()))?;
    } else {
        for RingKey { ring, role, since, key } in &keys {
            let note = match (since, role, key.state) {
                (Some(time), ..) => format!("since {}", HumanTime { time: *time, now }),
                (_, _, KeyState::PendingDeletion(time)) => {
                    format!("to be deleted {}", HumanTime { time, now })
                }
                (_, KeyRole::Leftover, _) => "has no alias: left by an interrupted run".into(),
                _ => String::new(),
            };
            let KeyMetadata { id, spec, state, .. } = key;
            writeln!(out, "{ring}  {:<8}  {id}  {spec}  {state}  {note}", role.name())?;
        }
    }
    Ok(ExitCode::from(if keys.is_empty() { NO } else { 0 }))
}
