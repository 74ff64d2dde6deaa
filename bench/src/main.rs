//! What the functions cost, beside the work that cannot be avoided and beside their peers.
//!
//! All of it is measured through a Lambda host of its own, on one core: start with [`contest`] for
//! what is compared, and [`growth`] for how cost grows.

mod contest;
mod contestants;
mod functions;
mod growth;
mod host;
mod instructions;
mod plot;
mod report;
mod server;
mod world;

use std::{env, error::Error, fs, path::Path, process::Command, time::Duration};

use contest::Effort;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use world::World;

const USAGE: &str = "\
usage: bench [compare|growth|instructions] [--quick] [--alone] [--write]

compare       the functions, the floors and the peers: a table, JSON and plots
growth        how cost grows with tokens, keys, rules and concurrency
instructions  what one warm decision takes, against what is on record (valgrind)
All three without a name. --quick measures a tenth as often, --alone leaves out the
peers, and --write puts the figures on record. FUNCTIONS is where the functions are, if they are not
those of cargo build --release.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|it| it.starts_with("--"));
    let known = flags.iter().all(|flag| ["--quick", "--alone", "--write"].contains(&flag.as_str()));
    let parts = ["compare", "growth", "instructions"];
    if arguments.iter().any(|it| it == "--help") {
        println!("{USAGE}");
        return Ok(());
    }
    if !known || names.iter().any(|name| !parts.contains(&name.as_str())) {
        eprintln!("{USAGE}");
        return Err("not an argument".into());
    }
    let is_asked = |part: &str| names.is_empty() || names.iter().any(|name| *name == part);
    let has = |flag: &str| flags.iter().any(|other| *other == flag);
    let (write, effort) = (has("--write"), Effort::new(has("--quick"), !has("--alone")));

    // On one core, so that a thread more is no gain.
    let mut core = CpuSet::new();
    core.set(1);
    sched_setaffinity(None, &core)?;
    let world = World::new(Path::new("target/world")).await?;
    let place = place()?;
    println!("{place}\n");
    if is_asked("compare") {
        let results = contest::run(&world, &effort).await?;
        println!("{}", report::table(&results));
        if write {
            record("compare.json", &report::json(&results, &place))?;
            for (name, text) in report::plots(&results) {
                fs::write(Path::new(RESULTS).join(name), text)?;
            }
        }
    }
    if is_asked("growth") {
        let curves = growth::run(&world, &effort).await?;
        for curve in &curves {
            println!("{}", report::curve_table(curve));
        }
        if write {
            record("growth.json", &report::curves_json(&curves, &place))?;
            for curve in &curves {
                let path = Path::new(RESULTS).join(format!("growth-{}.svg", curve.name));
                fs::write(path, plot::lines(curve))?;
            }
        }
    }
    if is_asked("instructions") {
        let path = Path::new(RESULTS).join("instructions.json");
        let found = instructions::count(&world).await?;
        if write {
            record("instructions.json", &json!(found))?;
        }
        instructions::compare(&found, &serde_json::from_slice(&fs::read(path)?)?)?;
    }
    Ok(())
}

fn record(name: &str, value: &Value) -> Result<(), Box<dyn Error>> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(fs::write(Path::new(RESULTS).join(name), text + "\n")?)
}

/// When and on what this is measured.
fn place() -> Result<String, Box<dyn Error>> {
    let date = Command::new("date").args(["-u", "+%F"]).output()?;
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let (_, model) = model.unwrap_or(("", "unknown"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let date = String::from_utf8(date.stdout)?;
    Ok(format!("{}, {model}, one core, Linux {}", date.trim(), kernel.trim()))
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

const RESULTS: &str = "results";
