//! Counts the CPU instructions of a warm invocation. Unlike times, they do not depend on the load of the machine.

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf};

use crate::{
    conditions::{self, ExpensiveRules},
    functions,
    lambda_host::{FunctionProcess, Program},
    programs::LOCAL,
    testbed::{self, Testbed},
};

/// Instructions by name of the case.
pub type InstructionCounts = BTreeMap<String, u64>;

/// Counts the instructions of each case.
pub async fn count(testbed: &Testbed) -> Result<InstructionCounts, Box<dyn Error>> {
    let cases = [
        ("authorizer, kms", "authorizer", &[][..]),
        ("authorizer, local", "authorizer", &[LOCAL]),
        ("issuer", "issuer", &[]),
    ];
    let mut counts = InstructionCounts::new();
    for (name, function, more) in cases {
        let events = if function == "issuer" {
            vec![testbed::ISSUE.to_vec()]
        } else {
            testbed.events(MANY)?
        };
        let few = run(testbed, function, more, &events, FEW).await?;
        let many = run(testbed, function, more, &events, MANY).await?;
        counts.insert(name.to_owned(), (many - few) / (MANY - FEW) as u64);
    }
    Ok(counts)
}

/// Counts decisions with the most expensive conditions that the authorizer accepts. Fails if one costs more than
/// [`MAX_RATIO`] ordinary decisions.
pub async fn conditions(testbed: &Testbed, ordinary: u64) -> Result<(), Box<dyn Error>> {
    println!("| conditions | instructions | times an ordinary decision |\n|---|---|---|");
    let mut is_within_limit = true;
    for ExpensiveRules { name, rules, claims } in conditions::all() {
        let event = vec![testbed.event_with_claims(claims)?];
        let more = [LOCAL, ("ACCESS_RULES", &*rules)];
        let few = run(testbed, "authorizer", &more, &event, 1).await?;
        let many = run(testbed, "authorizer", &more, &event, 1 + REPEATS).await?;
        let count = (many - few) / REPEATS as u64;
        println!("| {name} | {count} | {:.1} |", count as f64 / ordinary as f64);
        is_within_limit &= count <= ordinary * MAX_RATIO;
    }
    println!();
    let problem = format!("conditions cost more than {MAX_RATIO} times an ordinary decision");
    if is_within_limit { Ok(()) } else { Err(problem.into()) }
}

/// Compares counts with the recorded ones. Fails if one differs by more than [`TOLERANCE_PERCENT`] in either direction.
pub fn compare(
    counted: &InstructionCounts,
    recorded: &InstructionCounts,
) -> Result<(), Box<dyn Error>> {
    println!("| instructions | recorded | now |\n|---|---|---|");
    let mut is_equal = counted.len() == recorded.len();
    for (name, now) in counted {
        let before = recorded.get(name).copied().unwrap_or_default();
        println!("| {name} | {before} | {now} |");
        is_equal &= now.abs_diff(before) * 100 <= before * TOLERANCE_PERCENT;
    }
    println!();
    let problem = "counts differ by more than 5 % from the recorded ones; explain the difference, then record them with \
         `cargo xtask bench instructions --write`";
    if is_equal { Ok(()) } else { Err(problem.into()) }
}

async fn run(
    testbed: &Testbed,
    function: &str,
    more: &[(&str, &str)],
    events: &[Vec<u8>],
    times: usize,
) -> Result<u64, Box<dyn Error>> {
    let log = PathBuf::from("target/world/valgrind.log");
    let mut environment = testbed.environment(&testbed.immediate.http);
    environment.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let arguments = [
        "--tool=callgrind".to_owned(),
        "--callgrind-out-file=/dev/null".to_owned(),
        format!("--log-file={}", log.display()),
        functions::find(&functions::directory(), function)?.to_string_lossy().into_owned(),
    ];
    let program = Program { path: "valgrind".into(), arguments: arguments.to_vec(), environment };
    let (mut process, _) = FunctionProcess::start(&program).await?;
    for n in 0..times {
        process.invoke(&events[n % events.len()..][..1]).await?;
    }
    process.stop();
    let log = fs::read_to_string(log)?;
    let count = log.lines().find_map(|line| line.split_once("Collected :"));
    let (_, count) = count.ok_or("valgrind reported no instruction count")?;
    Ok(count.trim().parse()?)
}

/// The difference of a long and a short run excludes the start of the function.
const FEW: usize = 20;
const MANY: usize = 220;
/// The number of decisions with expensive conditions to count.
const REPEATS: usize = 3;
/// The limit for expensive conditions, as a multiple of an ordinary decision.
const MAX_RATIO: u64 = 50;
/// Counts vary between runs, because hash maps are seeded randomly and numbers have different lengths.
const TOLERANCE_PERCENT: u64 = 5;
