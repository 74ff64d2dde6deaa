//! Behaviour under faults and load: the real functions over a local KMS that injects faults. Prints tables,
//! and fails if a cell of a table is wrong.
//!
//! `cargo test -p countersign --test trials -- --burst 60` makes the burst last a minute. As with other
//! tests, a word selects the trials whose names contain it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod deployment;
mod harness;
mod idle_connections;
mod killed_function;
mod killed_rotation;
mod kms_faults;
mod kms_outage;
mod load;
mod tokens;

use std::{process::ExitCode, time::Instant};

use tokio::runtime;

use crate::harness::{Arguments, Outcome};

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");

fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args().skip(1));
    let names: Vec<String> = [
        kms_faults::names(),
        kms_outage::names(),
        idle_connections::names(),
        killed_function::names(),
        killed_rotation::names(),
        load::names(),
    ]
    .concat();
    if arguments.list {
        for name in names.iter().filter(|name| arguments.selects(name)) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let selected = names.iter().filter(|name| arguments.selects(name)).count();
    println!("\nrunning {selected} tests");
    let start = Instant::now();
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcomes = runtime.block_on(run(&arguments));
    harness::print_summary(&outcomes, names.len() - selected, start.elapsed())
}

async fn run(arguments: &Arguments) -> Vec<Outcome> {
    let mut outcomes = kms_faults::run(arguments).await;
    let (outage, idle, killed) = tokio::join!(
        kms_outage::run(arguments),
        idle_connections::run(arguments),
        killed_function::run(arguments)
    );
    outcomes.extend([outage, idle, killed].into_iter().flatten());
    outcomes.extend(killed_rotation::run(arguments).await);
    // Last and by itself, because it measures times and memory.
    outcomes.extend(load::run(arguments).await);
    outcomes
}
