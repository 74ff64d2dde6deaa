use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use jwt::UnixTime;
use rotation::{
    AliasTarget, KeyMetadata, KeyRole, KeyState, Obstacle, Plan, RingKey, RingName, RingState,
    Rotation, Step, list, plan,
};
use serde_json::{Value, json};

use super::{Ring, TimingArgs, describe, plan_json, words};
use crate::{
    NO,
    aws::Aws,
    humanize::{When, now},
};

pub(super) async fn show(ring: &Ring, terms: &TimingArgs) -> Result<ExitCode, Box<dyn Error>> {
    let policy = terms.policy(None)?;
    let Ring { alias, json, aws } = ring;
    let rotation =
        Rotation::new(aws.connect().await?, alias.clone()).with_retained_key(terms.retained_key());
    let state = rotation.read_state().await?.state;
    let now = now();
    let planned = plan(&state, now, &policy);
    if *json {
        writeln!(io::stdout(), "{}", show_json(alias, &state, &planned))?;
    } else {
        writeln!(io::stdout(), "{}", show_words(&rotation, alias, &state, &planned, now))?;
    }
    Ok(ExitCode::from(if planned.is_ok() { 0 } else { crate::FAULT }))
}

fn show_words(
    rotation: &Rotation,
    alias: &RingName,
    state: &RingState,
    planned: &Result<Plan, Obstacle>,
    now: UnixTime,
) -> String {
    let place = |words: &str, place: &AliasTarget| {
        let AliasTarget { key, since } = place;
        // KMS has fractions of a second, which are rounded up.
        let since = When { time: (*since).min(now), now };
        format!("  {words:<28} {}  {}  {}  since {since}", key.id, key.spec, key.state)
    };
    let current = &state.current;
    let mut lines = vec![alias.to_string(), place("signs", current)];
    let beside =
        |other: &Option<AliasTarget>| other.clone().filter(|other| other.key.id != current.key.id);
    if let Some(next) = beside(&state.next) {
        lines.push(place("is published, will sign", &next));
    }
    if let Some(previous) = beside(&state.previous) {
        lines.push(place("has signed, is still trusted", &previous));
    }
    lines.push(String::new());
    lines.push(match planned {
        Ok(Plan { step: step @ Step::Prepare(_), .. }) => {
            format!(
                "No rotation is under way. The next one begins with {}: {}.",
                step.name(),
                words(step, alias, rotation)
            )
        }
        Ok(Plan { step, due }) if *due <= now => {
            let due = When { time: *due, now };
            format!("{} is due since {due}: {}.", step.name(), words(step, alias, rotation))
        }
        Ok(Plan { step, due }) => {
            let due = When { time: *due, now };
            format!(
                "{} comes next, not before {due}: {}.",
                step.name(),
                words(step, alias, rotation)
            )
        }
        Err(obstacle) => format!("Something is in the way of the next step: {obstacle}."),
    });
    lines.join("\n")
}

fn show_json(alias: &RingName, state: &RingState, planned: &Result<Plan, Obstacle>) -> Value {
    let place = |place: &AliasTarget| {
        let mut key = describe(&place.key);
        if let Value::Object(key) = &mut key {
            key.insert("since".into(), place.since.seconds().into());
        }
        key
    };
    let mut shown = json!({
        "ring": alias.current(),
        "current": place(&state.current),
        "next": state.next.as_ref().map(place),
        "previous": state.previous.as_ref().map(place),
    });
    if let Value::Object(shown) = &mut shown {
        match planned {
            Ok(plan) => shown.insert("step".into(), plan_json(plan)),
            Err(obstacle) => shown.insert("problem".into(), obstacle.to_string().into()),
        };
    }
    shown
}

pub(super) async fn list_keys(
    alias: Option<&RingName>,
    json: bool,
    aws: &Aws,
) -> Result<ExitCode, Box<dyn Error>> {
    let entries = list(&aws.connect().await?, alias).await?;
    let now = now();
    let mut out = io::stdout();
    if json {
        let row = |entry: &RingKey| {
            json!({
                "ring": entry.ring, "role": entry.role.name(),
                "since": entry.since.map(UnixTime::seconds), "key": describe(&entry.key),
            })
        };
        writeln!(out, "{}", json!(entries.iter().map(row).collect::<Vec<_>>()))?;
    } else {
        for RingKey { ring, role, since, key } in &entries {
            let since = match (since, role, key.state) {
                (Some(time), ..) => format!("since {}", When { time: *time, now }),
                (_, _, KeyState::PendingDeletion(time)) => {
                    format!("is deleted {}", When { time, now })
                }
                (_, KeyRole::Unused, _) => "has no alias: left by something that broke off".into(),
                _ => String::new(),
            };
            let KeyMetadata { id, spec, state, .. } = key;
            writeln!(out, "{ring}  {:<8}  {id}  {spec}  {state}  {since}", role.name())?;
        }
    }
    Ok(ExitCode::from(if entries.is_empty() { NO } else { 0 }))
}
