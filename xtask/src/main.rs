//! The developer tasks of this workspace. `cargo xtask --help` lists them; each is one file.

mod audit_logs;
mod aws;
mod bench;
mod bench_deployed;
mod build;
mod ci;
mod codes;
mod cycles;
mod deploy_test;
mod docs;
mod emulate;
mod error;
mod file_map;
mod fuzz;
mod layers;
mod links;
mod package;
mod process;
mod provider_pages;
mod type_names;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{error::Error, workspace::Workspace};

/// Developer tasks
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    AuditLogs(audit_logs::Arguments),
    Bench(bench::Arguments),
    BenchDeployed(bench_deployed::Arguments),
    Build(build::Arguments),
    Ci(ci::Arguments),
    Cycles(cycles::Arguments),
    DeployTest(deploy_test::Arguments),
    Docs(docs::Arguments),
    Emulate(emulate::Arguments),
    Fuzz(fuzz::Arguments),
    Package(package::Arguments),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<ExitCode, Error> {
    let workspace = Workspace::find()?;
    match task {
        Task::AuditLogs(arguments) => audit_logs::run(arguments)?,
        Task::Bench(arguments) => bench::run(&workspace, arguments)?,
        Task::BenchDeployed(arguments) => bench_deployed::run(arguments)?,
        Task::Build(build::Arguments {}) => build::run(&workspace)?,
        Task::Ci(arguments) => return ci::run(&workspace, arguments),
        Task::Cycles(arguments) => cycles::run(&workspace, arguments)?,
        Task::DeployTest(arguments) => deploy_test::run(&workspace, arguments)?,
        Task::Docs(arguments) => docs::run(&workspace, arguments)?,
        Task::Emulate(arguments) => emulate::run(&workspace, arguments)?,
        Task::Fuzz(arguments) => fuzz::run(&workspace, arguments)?,
        Task::Package(arguments) => package::run(&workspace, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
