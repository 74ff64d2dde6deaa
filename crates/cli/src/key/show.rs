use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use jwt::UnixTime;
use rotation::{
    Entry, KeyFacts, KeyState, Obstacle, Place, Plan, RingName, Role, Rotation, Seen, Step, list,
    plan,
};
use serde_json::{Value, json};

use super::{Ring, Terms, describe, plan_json, words};
use crate::{
    NO,
    aws::Aws,
    words::{When, now},
};

pub(super) async fn show(ring: &Ring, terms: &Terms) -> Result<ExitCode, Box<dyn Error>> {
    let policy = terms.policy(None)?;
    let Ring { alias, json, aws } = ring;
    let rotation =
        Rotation::new(aws.connect().await?, alias.clone()).with_retained_key(terms.retained_key());
    let seen = rotation.look().await?.seen;
    let now = now();
    let planned = plan(&seen, now, &policy);
    if *json {
        writeln!(io::stdout(), "{}", show_json(alias, &seen, &planned))?;
    } else {
        writeln!(io::stdout(), "{}", show_words(&rotation, alias, &seen, &planned, now))?;
    }
    Ok(ExitCode::from(if planned.is_ok() { 0 } else { crate::FAULT }))
}

fn show_words(
    rotation: &Rotation,
    alias: &RingName,
    seen: &Seen,
    planned: &Result<Plan, Obstacle>,
    now: UnixTime,
) -> String {
    let place = |words: &str, place: &Place| {
        let Place { key, since } = place;
        // KMS has fractions of a second, which are rounded up.
        let since = When { time: (*since).min(now), now };
        format!("  {words:<28} {}  {}  {}  since {since}", key.id, key.spec, key.state)
    };
    let current = &seen.current;
    let mut lines = vec![alias.to_string(), place("signs", current)];
    let beside =
        |other: &Option<Place>| other.clone().filter(|other| other.key.id != current.key.id);
    if let Some(next) = beside(&seen.next) {
        lines.push(place("is published, will sign", &next));
    }
    if let Some(previous) = beside(&seen.previous) {
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

fn show_json(alias: &RingName, seen: &Seen, planned: &Result<Plan, Obstacle>) -> Value {
    let place = |place: &Place| {
        let mut key = describe(&place.key);
        if let Value::Object(key) = &mut key {
            key.insert("since".into(), place.since.seconds().into());
        }
        key
    };
    let mut shown = json!({
        "ring": alias.current(),
        "current": place(&seen.current),
        "next": seen.next.as_ref().map(place),
        "previous": seen.previous.as_ref().map(place),
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
        let row = |entry: &Entry| {
            json!({
                "ring": entry.ring, "role": entry.role.name(),
                "since": entry.since.map(UnixTime::seconds), "key": describe(&entry.key),
            })
        };
        writeln!(out, "{}", json!(entries.iter().map(row).collect::<Vec<_>>()))?;
    } else {
        for Entry { ring, role, since, key } in &entries {
            let since = match (since, role, key.state) {
                (Some(time), ..) => format!("since {}", When { time: *time, now }),
                (_, _, KeyState::PendingDeletion(time)) => {
                    format!("is deleted {}", When { time, now })
                }
                (_, Role::Unused, _) => "has no alias: left by something that broke off".into(),
                _ => String::new(),
            };
            let KeyFacts { id, spec, state, .. } = key;
            writeln!(out, "{ring}  {:<8}  {id}  {spec}  {state}  {since}", role.name())?;
        }
    }
    Ok(ExitCode::from(if entries.is_empty() { NO } else { 0 }))
}
