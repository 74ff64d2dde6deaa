use std::{error::Error, io::Write, process::ExitCode};

use clap::Args;
use jwt::UnixTime;
use rotation::{AliasTarget, Obstacle, Plan, RingName, RingState, Rotation, Step, plan};
use serde_json::{Value, json};

use super::{
    arguments::{RingArgs, TimingArgs},
    output::{NO_DATES, key_json, known, plan_json},
};
use crate::{
    block_on::block_on,
    exit::{self, FAULT},
    humanize::{HumanTime, now},
    terminal,
};

/// Arguments of `countersign key show`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    ring: RingArgs,
    #[command(flatten)]
    timing: TimingArgs,
}

pub(crate) const HELP: &str = "\
Examples:
  countersign key show alias/countersign
  countersign key show alias/countersign --json | jq -r .step.due

Exit codes: 0 shown, 2 invalid input, 3 fault, no such ring, or the next step is blocked.";

/// Prints the keys of the ring and the next step.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(arguments.ring.json, block_on(show(arguments)))
}

async fn show(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { ring: RingArgs { alias, json, aws }, timing } = arguments;
    let (config, options) = timing.read(None)?;
    let rotation = Rotation::new(aws.connect().await?, alias.clone())
        .with_options(options)
        .allowing_undated_aliases();
    let state = rotation.read_state().await?.state;
    let now = now();
    let planned = plan(&state, now, &config);
    if *json {
        writeln!(terminal::stdout(), "{}", state_json(alias, &state, &planned))?;
    } else {
        writeln!(terminal::stdout(), "{}", state_text(&rotation, alias, &state, &planned, now))?;
    }
    Ok(ExitCode::from(if planned.is_ok() { 0 } else { FAULT }))
}

fn state_text(
    rotation: &Rotation,
    ring: &RingName,
    state: &RingState,
    planned: &Result<Plan, Obstacle>,
    now: UnixTime,
) -> String {
    let line = |role: &str, target: &AliasTarget| {
        let AliasTarget { key, since } = target;
        // `since` is rounded up to a whole second, which may not have come yet.
        let since = known(*since).map_or("an unknown time".into(), |since| {
            HumanTime { time: since.min(now), now }.to_string()
        });
        format!("  {role:<28} {}  {}  {}  since {since}", key.id, key.spec, key.state)
    };
    let current = &state.current;
    let mut lines = vec![ring.to_string(), line("current: signs", current)];
    let if_other =
        |target: &Option<AliasTarget>| target.clone().filter(|it| it.key.id != current.key.id);
    if let Some(next) = if_other(&state.next) {
        lines.push(line("next: published, will sign", &next));
    }
    if let Some(previous) = if_other(&state.previous) {
        lines.push(line("previous: still trusted", &previous));
    }
    lines.push(String::new());
    lines.push(match planned {
        Ok(Plan { step, due }) => {
            let name = step.name();
            let description = rotation.description(step);
            let when = HumanTime { time: *due, now };
            match step {
                Step::Prepare(_) => format!(
                    "No rotation is in progress. The next rotation starts with {name}: {description}."
                ),
                _ if known(*due).is_none() => {
                    format!("Next step: {name}: {description}. It is never due: {NO_DATES}.")
                }
                _ if *due <= now => format!("Next step: {name}, due since {when}: {description}."),
                _ => format!("Next step: {name}, not before {when}: {description}."),
            }
        }
        Err(obstacle) => format!("The next step is blocked: {obstacle}."),
    });
    lines.join("\n")
}

fn state_json(ring: &RingName, state: &RingState, planned: &Result<Plan, Obstacle>) -> Value {
    let target_json = |target: &AliasTarget| {
        let mut key = key_json(&target.key);
        if let Value::Object(key) = &mut key {
            key.insert("since".into(), known(target.since).map(UnixTime::seconds).into());
        }
        key
    };
    let mut shown = json!({
        "ring": ring.current(),
        "current": target_json(&state.current),
        "next": state.next.as_ref().map(target_json),
        "previous": state.previous.as_ref().map(target_json),
    });
    if let Value::Object(shown) = &mut shown {
        match planned {
            Ok(plan) => shown.insert("step".into(), plan_json(plan)),
            Err(obstacle) => shown.insert("problem".into(), obstacle.to_string().into()),
        };
    }
    shown
}
