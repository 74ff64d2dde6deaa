//! What one warm invocation takes in instructions: the same on a busy machine as on an idle one.

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf};

use crate::{
    conditions::{self, Condition},
    contestants::LOCAL,
    functions,
    host::{Environment, Program},
    world::{self, World},
};

pub type Counts = BTreeMap<String, u64>;

pub async fn count(world: &World) -> Result<Counts, Box<dyn Error>> {
    let cases = [
        ("authorizer, kms", "authorizer", &[][..]),
        ("authorizer, local", "authorizer", &[LOCAL]),
        ("issuer", "issuer", &[]),
    ];
    let mut counts = Counts::new();
    for (name, function, more) in cases {
        let events =
            if function == "issuer" { vec![world::ISSUE.to_vec()] } else { world.events(MANY)? };
        let few = run(world, function, more, &events, FEW).await?;
        let many = run(world, function, more, &events, MANY).await?;
        counts.insert(name.to_owned(), (many - few) / (MANY - FEW) as u64);
    }
    Ok(counts)
}

/// Counts decisions with the most expensive conditions that the authorizer accepts, and fails if one
/// costs more than [`MOST_TIMES`] an ordinary decision.
pub async fn conditions(world: &World, ordinary: u64) -> Result<(), Box<dyn Error>> {
    println!("| conditions | instructions | times an ordinary decision |\n|---|---|---|");
    let mut good = true;
    for Condition { name, rules, claims } in conditions::all() {
        let event = vec![world.event_of(claims)?];
        let more = [LOCAL, ("ACCESS_RULES", &*rules)];
        let few = run(world, "authorizer", &more, &event, 1).await?;
        let many = run(world, "authorizer", &more, &event, 1 + REPEATS).await?;
        let count = (many - few) / REPEATS as u64;
        println!("| {name} | {count} | {:.1} |", count as f64 / ordinary as f64);
        good &= count <= ordinary * MOST_TIMES;
    }
    println!();
    let problem = format!("conditions cost more than {MOST_TIMES} times an ordinary decision");
    if good { Ok(()) } else { Err(problem.into()) }
}

/// Tells what has become dearer, and what has become so much cheaper that the record is of no use.
pub fn compare(found: &Counts, known: &Counts) -> Result<(), Box<dyn Error>> {
    println!("| instructions | on record | now |\n|---|---|---|");
    let mut good = found.len() == known.len();
    for (name, now) in found {
        let before = known.get(name).copied().unwrap_or_default();
        println!("| {name} | {before} | {now} |");
        good &= now.abs_diff(before) * 100 <= before * TOLERANCE;
    }
    println!();
    let problem =
        "not within 5 % of what is on record: see why, then cargo xtask bench instructions --write";
    if good { Ok(()) } else { Err(problem.into()) }
}

async fn run(
    world: &World,
    called: &str,
    more: &[(&str, &str)],
    events: &[Vec<u8>],
    times: usize,
) -> Result<u64, Box<dyn Error>> {
    let log = PathBuf::from("target/world/valgrind.log");
    let mut environment = world.environment(&world.immediate.http);
    environment.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let arguments = [
        "--tool=callgrind".to_owned(),
        "--callgrind-out-file=/dev/null".to_owned(),
        format!("--log-file={}", log.display()),
        functions::find(&functions::directory(), called)?.to_string_lossy().into_owned(),
    ];
    let program = Program { path: "valgrind".into(), arguments: arguments.to_vec(), environment };
    let (mut running, _) = Environment::start(&program).await?;
    for n in 0..times {
        running.invoke(&events[n % events.len()..][..1]).await?;
    }
    running.stop();
    let log = fs::read_to_string(log)?;
    let count = log.lines().find_map(|line| line.split_once("Collected :"));
    let (_, count) = count.ok_or("valgrind counted nothing")?;
    Ok(count.trim().parse()?)
}

const FEW: usize = 20;
const MANY: usize = 220;
/// How often a decision with expensive conditions is counted.
const REPEATS: usize = 3;
const MOST_TIMES: u64 = 50;
/// In per cent: hash maps and numbers of their own length are not the same twice.
const TOLERANCE: u64 = 5;
