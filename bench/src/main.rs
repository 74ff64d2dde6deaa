//! Measures the cost of the functions, compared with minimal programs and with peers.
//!
//! A minimal Lambda host invokes all programs on one core. [`programs`] lists them, [`comparison`] measures them, and
//! [`growth`] measures how cost grows.

mod cold_starts;
mod comparison;
mod conditions;
mod cpu_quota;
mod functions;
mod growth;
mod instructions;
mod lambda_host;
mod plot;
mod programs;
mod report;
mod server;
mod signature_cache;
mod testbed;
mod timing;
mod token_endpoint;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use clap::{Parser, ValueEnum};
use comparison::Repetitions;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use testbed::Testbed;

/// Measures the cost of the functions, compared with minimal programs and with peers
///
/// By default, the functions are built as `sam build` packages them. Set FUNCTIONS to a directory to measure existing
/// builds: the output of `cargo build` (target/release), `cargo lambda build` (target/lambda) or `sam build`
/// (.aws-sam/build).
#[derive(Parser)]
#[command(name = "bench", bin_name = "cargo xtask bench", after_help = EXAMPLES)]
struct Arguments {
    /// The parts to measure [default: all]
    parts: Vec<BenchmarkPart>,
    /// Measure with a tenth of the repetitions
    #[arg(long)]
    quick: bool,
    /// Do not measure the peers
    #[arg(long)]
    alone: bool,
    /// Record the results in bench/results
    #[arg(long)]
    write: bool,
    /// Measure another build of the functions in the same run and print the ratios
    ///
    /// DIR has the layout of FUNCTIONS. Such a run cannot be recorded, because the results describe this build only.
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    before: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum BenchmarkPart {
    /// The functions, minimal programs and peers
    Compare,
    /// The first response with a seventh of a CPU, as Lambda gives it to 256 MB (requires the permission to create
    /// control groups)
    ColdStarts,
    /// A grant of the token endpoint, compared with the call of KMS Sign in it, and its memory by trusted issuers
    TokenEndpoint,
    /// The KMS calls that the signature cache saves, and its memory, by the number of tokens
    SignatureCache,
    /// The growth of cost with tokens, keys, rules and concurrency
    Growth,
    /// The instructions of a warm invocation, compared with the recorded ones, and of expensive conditions, compared
    /// with their limit (requires valgrind)
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
    let is_selected = |part: BenchmarkPart| parts.is_empty() || parts.contains(&part);
    let compares =
        [BenchmarkPart::Compare, BenchmarkPart::ColdStarts, BenchmarkPart::TokenEndpoint];
    if before.is_some() && !compares.into_iter().any(is_selected) {
        return Err(
            "--before requires the part `compare`, `cold-starts` or `token-endpoint`: no other part measures another build"
                .into()
        );
    }
    let repetitions = Repetitions::new(quick, !alone);

    // All programs use one core, so that additional threads give no advantage.
    let mut core = CpuSet::new();
    core.set(1);
    sched_setaffinity(None, &core)?;
    let testbed = Testbed::new(Path::new("target/world")).await?;
    let machine = machine()?;
    println!("{machine}\n");
    if is_selected(BenchmarkPart::Compare) {
        let results = comparison::run(&testbed, &repetitions, before.as_deref()).await?;
        println!("{}", report::table(&results));
        if before.is_some() {
            println!("{}", report::comparison(&results));
        }
        if write {
            record("compare.json", &report::json(&results, &machine))?;
            for (name, text) in report::plots(&results) {
                fs::write(Path::new(RESULTS).join(name), text)?;
            }
        }
    }
    if is_selected(BenchmarkPart::ColdStarts) {
        let starts = cold_starts::run(&testbed, &repetitions, before.as_deref()).await?;
        println!("{}", report::cold_start_table(&starts));
        if write {
            record("cold-starts.json", &report::cold_starts_json(&starts, &machine))?;
        }
    }
    if is_selected(BenchmarkPart::TokenEndpoint) {
        let results = token_endpoint::run(&testbed, &repetitions, before.as_deref()).await?;
        println!("{}", report::table(&results));
        if before.is_some() {
            println!("{}", report::comparison(&results));
        }
        if write {
            record("token-endpoint.json", &report::json(&results, &machine))?;
        }
    }
    if is_selected(BenchmarkPart::SignatureCache) {
        let uses = signature_cache::run(&testbed).await?;
        println!("{}", report::cache_table(&uses));
        if write {
            record("signature-cache.json", &report::cache_json(&uses, &machine))?;
            for curve in &report::cache_curves(&uses) {
                let path = Path::new(RESULTS).join(format!("signature-cache-{}.svg", curve.name));
                fs::write(path, plot::lines(curve))?;
            }
        }
    }
    if is_selected(BenchmarkPart::Growth) {
        let curves = growth::run(&testbed, &repetitions).await?;
        for curve in &curves {
            println!("{}", report::curve_table(curve));
        }
        if write {
            record("growth.json", &report::curves_json(&curves, &machine))?;
            for curve in &curves {
                let path = Path::new(RESULTS).join(format!("growth-{}.svg", curve.name));
                fs::write(path, plot::lines(curve))?;
            }
        }
    }
    if is_selected(BenchmarkPart::Instructions) {
        let path = Path::new(RESULTS).join("instructions.json");
        let found = instructions::count(&testbed).await?;
        if write {
            record("instructions.json", &json!(found))?;
        }
        let ordinary = found.get("authorizer, local").copied().unwrap_or_default();
        let conditions = instructions::conditions(&testbed, ordinary).await;
        instructions::compare(&found, &serde_json::from_slice(&fs::read(path)?)?)?;
        conditions?;
    }
    Ok(())
}

/// Writes a file of bench/results.
fn record(name: &str, value: &Value) -> Result<(), Box<dyn Error>> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(fs::write(Path::new(RESULTS).join(name), text + "\n")?)
}

/// The date and the machine of the measurements.
fn machine() -> Result<String, Box<dyn Error>> {
    let date = Command::new("date").args(["-u", "+%F"]).output()?;
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let (_, model) = model.unwrap_or(("", "unknown"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let date = String::from_utf8(date.stdout)?;
    Ok(format!("{}, {model}, one core, Linux {}", date.trim(), kernel.trim()))
}

const RESULTS: &str = "results";
