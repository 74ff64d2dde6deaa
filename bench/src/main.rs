//! What the functions cost, compared with minimal programs and with their peers.
//!
//! A Lambda host of its own invokes them all, on one core. [`contestants`] lists what is compared,
//! [`contest`] measures it, and [`growth`] measures how cost grows.

mod conditions;
mod contest;
mod contestants;
mod functions;
mod growth;
mod host;
mod instructions;
mod plot;
mod report;
mod server;
mod timing;
mod world;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use clap::{Parser, ValueEnum};
use contest::Effort;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use world::World;

/// Measures what the functions cost, compared with minimal programs and with their peers.
///
/// The functions are built as `sam build` packages them. FUNCTIONS=DIR measures those in DIR instead,
/// which `cargo build` (target/release), `cargo lambda build` (target/lambda) or `sam build`
/// (.aws-sam/build) has written.
#[derive(Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench", after_help = EXAMPLES)]
struct Arguments {
    /// What to measure; all parts without a name
    parts: Vec<Part>,
    /// Measure a tenth as often
    #[arg(long)]
    quick: bool,
    /// Leave out the peers
    #[arg(long)]
    alone: bool,
    /// Put the figures on record, in bench/results
    #[arg(long)]
    write: bool,
    /// Measure another build of the functions in the same run, and print the ratios to it
    ///
    /// DIR is laid out like that of FUNCTIONS. Such a run is never put on record: results show only
    /// what this tree builds.
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    before: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// The functions, the floors and the peers: a table, JSON and plots
    Compare,
    /// How cost grows with tokens, keys, rules and concurrency
    Growth,
    /// The instructions of one warm invocation, against what is on record, and of expensive conditions,
    /// against their limit (needs valgrind)
    Instructions,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench compare --quick
  FUNCTIONS=.aws-sam/build cargo xtask bench compare --alone
  cargo xtask bench compare --before ../main/.aws-sam/build";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { parts, quick, alone, write, before } = arguments;
    let before = before.map(|directory| functions::resolve(&directory));
    let is_asked = |part: Part| parts.is_empty() || parts.contains(&part);
    if before.is_some() && !is_asked(Part::Compare) {
        return Err("--before needs `compare`, as no other part measures another build".into());
    }
    let effort = Effort::new(quick, !alone);

    // On one core, so that a thread more is no gain.
    let mut core = CpuSet::new();
    core.set(1);
    sched_setaffinity(None, &core)?;
    let world = World::new(Path::new("target/world")).await?;
    let place = place()?;
    println!("{place}\n");
    if is_asked(Part::Compare) {
        let results = contest::run(&world, &effort, before.as_deref()).await?;
        println!("{}", report::table(&results));
        if before.is_some() {
            println!("{}", report::comparison(&results));
        }
        if write {
            record("compare.json", &report::json(&results, &place))?;
            for (name, text) in report::plots(&results) {
                fs::write(Path::new(RESULTS).join(name), text)?;
            }
        }
    }
    if is_asked(Part::Growth) {
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
    if is_asked(Part::Instructions) {
        let path = Path::new(RESULTS).join("instructions.json");
        let found = instructions::count(&world).await?;
        if write {
            record("instructions.json", &json!(found))?;
        }
        let ordinary = found.get("authorizer, local").copied().unwrap_or_default();
        let conditions = instructions::conditions(&world, ordinary).await;
        instructions::compare(&found, &serde_json::from_slice(&fs::read(path)?)?)?;
        conditions?;
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

const RESULTS: &str = "results";
