//! `countersign demo`: a demonstration in steps, each of which checks its own result.

mod ci_system;
mod rotation;
mod scenario;
mod token_endpoint;
mod tokens;

use std::{io::Write, process::ExitCode, time::Instant};

use self::scenario::{Elapsed, Error, Scenario, print};
use crate::{block_on::block_on, exit, terminal};

pub(crate) const HELP: &str = "\
Examples:
  countersign demo

Exit codes: 0 every step had the expected result, 1 a step failed, 2 invalid input, 3 fault.";

/// Runs all steps. The exit code is 0 only if each had the expected result.
pub(crate) fn run() -> ExitCode {
    match block_on(run_steps()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::StepFailed(step)) => {
            let _ = writeln!(
                terminal::stderr(),
                "\ncountersign: this step did not have the expected result: {step}"
            );
            ExitCode::from(exit::NO)
        }
        Err(Error::Fault(error)) => exit::report(false, &*error),
    }
}

async fn run_steps() -> Result<(), Error> {
    let start = Instant::now();
    let mut scenario = Scenario::start().await?;
    print(format_args!(
        "KMS, three Lambda functions and API Gateway run on this machine, as template.yaml and deploy/demo.yaml deploy them."
    ))?;
    let calls = scenario.stack.kms.calls();
    print(format_args!("They started in {} with {calls} KMS calls.\n", Elapsed(start)))?;

    tokens::run(&mut scenario).await?;
    token_endpoint::run(&mut scenario).await?;
    rotation::run(&mut scenario).await?;

    print(format_args!("\nEvery step had the expected result. Total time: {}.", Elapsed(start)))
}
