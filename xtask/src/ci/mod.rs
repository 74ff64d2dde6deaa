//! Every check of a change.

mod counts;
mod docs;
mod lint;
mod packages;
mod template;
mod test;

use std::{process::ExitCode, time::Instant};

use clap::ValueEnum;

use crate::{
    bench,
    error::Error,
    workspace::{Workspace, announce},
};

/// Run every check
///
/// The tools are those that `.ci/run` installs, in target/ci-tools (or the folder that `CI_TOOLS` names)
/// or on `PATH`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The parts to run, in this order; all by default
    #[arg(value_name = "PART")]
    parts: Vec<Part>,
    /// Validate the example for Terraform too, for which Terraform downloads its providers
    #[arg(long)]
    validate_terraform: bool,
}

/// A group of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Format, lints, licences, spelling, and dependencies between modules
    Lint,
    /// API documentation, generated files, book and links
    Docs,
    /// The tests and the demo, whose logs are kept in target/recordings
    Test,
    /// The templates and the configuration files
    Template,
    /// The packages of `sam build` under Lambda's emulator and deployed to one of AWS, and the audit of all logs
    Packages,
    /// The instructions of a warm invocation, against the recorded ones
    Instructions,
}

/// Runs the parts. After tests, the last line counts them.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode, Error> {
    let parts = parts(&arguments.parts);
    if arguments.validate_terraform && !parts.contains(&Part::Template) {
        return Err(Error::Check("`--validate-terraform` needs the part `template`".into()));
    }
    find_tools(workspace, &parts)?;
    let mut counts = None;
    let mut durations = Vec::new();
    for part in parts {
        let start = Instant::now();
        let outcome = match part {
            Part::Lint => lint::run(workspace),
            Part::Test => test::run(workspace, &mut counts),
            Part::Docs => docs::run(workspace),
            Part::Template => template::run(workspace, arguments.validate_terraform),
            Part::Packages => packages::run(workspace),
            Part::Instructions => {
                let options = vec!["instructions".to_owned()];
                announce("cargo xtask bench instructions");
                bench::run(workspace, &bench::Arguments { options })
            }
        };
        match (outcome, &counts) {
            (Ok(()), _) => {}
            (Err(error), Some(counts)) if part == Part::Test => {
                eprintln!("error: {error}");
                println!("\n{counts}");
                return Ok(ExitCode::FAILURE);
            }
            (Err(error), _) => return Err(error),
        }
        durations.push(format!("{part:?} {} s", start.elapsed().as_secs()));
    }
    println!("\n{}", durations.join(", "));
    let Some(counts) = counts else { return Ok(ExitCode::SUCCESS) };
    println!("\n{counts}");
    Ok(if counts.are_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The chosen parts in their order.
fn parts(chosen: &[Part]) -> Vec<Part> {
    let all = Part::value_variants().iter().copied();
    all.filter(|part| chosen.is_empty() || chosen.contains(part)).collect()
}

impl Part {
    /// The programs that the part runs, besides those of a Rust toolchain.
    fn tools(self) -> &'static [&'static str] {
        match self {
            Self::Lint => &lint::TOOLS,
            Self::Test => &[],
            Self::Docs => &docs::TOOLS,
            Self::Template => &template::TOOLS,
            Self::Packages => &packages::TOOLS,
            Self::Instructions => &["valgrind"],
        }
    }
}

/// Fails before the first check if a later one lacks its tool.
fn find_tools(workspace: &Workspace, parts: &[Part]) -> Result<(), Error> {
    let mut missing = Vec::new();
    for tool in parts.iter().flat_map(|part| part.tools()) {
        if let Err(error) = workspace.program(tool) {
            missing.push(error.to_string());
        }
    }
    missing.dedup();
    if missing.is_empty() { Ok(()) } else { Err(Error::Check(missing.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_without_its_part_is_refused() {
        let arguments = Arguments { parts: vec![Part::Lint], validate_terraform: true };
        let error = run(&Workspace::find().unwrap(), &arguments).unwrap_err().to_string();
        assert_eq!(error, "`--validate-terraform` needs the part `template`");
    }

    #[test]
    fn parts_run_in_their_order() {
        assert_eq!(parts(&[]), Part::value_variants());
        assert_eq!(parts(&[Part::Docs, Part::Lint, Part::Docs]), [Part::Lint, Part::Docs]);
    }
}
