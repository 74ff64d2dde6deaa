use std::{
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::json;

use crate::{
    configuration::{self, CheckedFile, ConfigurationProblem, Report, Severity},
    exit,
    humanize::now,
    parameter_overrides, terminal,
};

/// Arguments of `countersign check`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder with the configuration files
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Parameters of the deployment, as for `sam deploy`: `NAME=VALUE`, `ParameterKey=NAME,ParameterValue=VALUE`, or
    /// `file://PATH` with a TOML or YAML file
    #[arg(long, value_name = "NAME=VALUE", num_args = 1..)]
    parameter_overrides: Vec<String>,
    /// Configuration file of the SAM CLI, whose `parameter_overrides` are those of the deployment
    #[arg(long, value_name = "FILE", conflicts_with = "parameter_overrides")]
    samconfig: Option<PathBuf>,
    /// Environment in that file
    #[arg(long, value_name = "NAME", default_value = "default", requires = "samconfig")]
    config_env: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) const HELP: &str = "\
Reads access-rules.json, issuance-policy.json, revocations.json and trusted-issuers.json as the functions do, and prints
every problem as FILE:LINE:COLUMN: PROBLEM, or FILE: PROBLEM if it is not about the text. A problem stops a function; a
warning does not change the exit code.

With the parameters of a deployment, it also says which of them the template refuses or sam deploy ignores, and with
which the functions would not start, and warns about audiences in issuance-policy.json that the authorizer would refuse.
Parameters that are not given have their defaults.

Examples:
  countersign check layer/config
  countersign check layer/config --samconfig samconfig.toml
  countersign check layer/config --parameter-overrides Settings=TokenLifetimeSeconds=900

Exit codes: 0 no problem, 1 problems, 2 invalid arguments, 3 fault.";

/// Prints the problems and warnings.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    exit::finish(arguments.json, check(arguments))
}

fn check(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let mut report = configuration::check(&arguments.folder, now())?;
    if let Some(file) = &arguments.samconfig {
        let parameters = configuration::of_samconfig(file, &arguments.config_env)?;
        configuration::check_parameters(&parameters, file, &mut report)?;
    } else if !arguments.parameter_overrides.is_empty() {
        let parameters = parameter_overrides::read(&arguments.parameter_overrides)?;
        let source = Path::new("--parameter-overrides");
        configuration::check_parameters(&parameters, source, &mut report)?;
    }
    report
        .problems
        .sort_by(|one, other| (&one.file, one.position).cmp(&(&other.file, other.position)));
    let is_valid = report.problems.iter().all(|it| it.severity == Severity::Warning);
    let mut out = terminal::stdout();
    if arguments.json {
        let problems = report.problems.iter().map(ConfigurationProblem::to_json);
        let problems: Vec<_> = problems.collect();
        writeln!(out, "{}", json!(problems))?;
    } else {
        for problem in &report.problems {
            writeln!(out, "{problem}")?;
        }
        if is_valid {
            writeln!(out, "no problem found: {}", counts(&report))?;
        }
    }
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::from(exit::NO) })
}

/// The number of elements of each file: `access-rules.json has 1 rule, revocations.json has 2 revocations`.
fn counts(report: &Report) -> String {
    let count = |CheckedFile { path, content, elements, .. }: &CheckedFile| {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let ending = if *elements == 1 { "" } else { "s" };
        format!("{name} has {elements} {}{ending}", content.element())
    };
    report.files.iter().map(count).collect::<Vec<_>>().join(", ")
}
