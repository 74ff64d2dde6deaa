//! What is promised under faults and load, tried with the real functions over a KMS that is told
//! what goes wrong. Prints tables, and fails if a cell of them is wrong.
//!
//! `cargo test -p countersign --test trials -- --burst 60` makes the burst last a minute. As for
//! any test, a word picks the trials that have it in their names.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod burst;
mod harness;
mod idle;
mod killed;
mod matrix;
mod outage;
mod rotation;
mod tokens;
mod world;

use std::{process::ExitCode, time::Instant};

use tokio::runtime;

use crate::harness::{Arguments, Verdict};

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");

fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args().skip(1));
    let names: Vec<String> = [
        matrix::names(),
        outage::names(),
        idle::names(),
        killed::names(),
        rotation::names(),
        burst::names(),
    ]
    .concat();
    if arguments.list {
        for name in names.iter().filter(|name| arguments.wants(name)) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted = names.iter().filter(|name| arguments.wants(name)).count();
    println!("\nrunning {wanted} tests");
    let start = Instant::now();
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let verdicts = runtime.block_on(run(&arguments));
    harness::conclude(&verdicts, names.len() - wanted, start.elapsed())
}

async fn run(arguments: &Arguments) -> Vec<Verdict> {
    let mut verdicts = matrix::run(arguments).await;
    let (outage, idle, killed) =
        tokio::join!(outage::run(arguments), idle::run(arguments), killed::run(arguments));
    verdicts.extend([outage, idle, killed].into_iter().flatten());
    verdicts.extend(rotation::run(arguments).await);
    // Alone, as it measures.
    verdicts.extend(burst::run(arguments).await);
    verdicts
}
