//! The reference pages of the documentation, generated from the tables of settings and algorithms, the template
//! and the commands of this program.

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Arg, Command, ValueEnum};
use jwt::Algorithm;
use local::template::Template;
use runtime::{Parameter, SETTINGS, Setting};
use serde_json::Value;

use crate::{
    exit,
    template::TEMPLATE,
    template_parameters::with_parameters,
    template_settings::{Member, members},
};

/// A page of the reference.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Page {
    Settings,
    Cli,
    Parameters,
    /// The template, with the parameters that it lacks
    Template,
}

/// Prints a page in Markdown.
pub(crate) fn run(page: Page, program: Command) -> ExitCode {
    exit::finish(false, print(page, program))
}

fn print(page: Page, program: Command) -> Result<ExitCode, Box<dyn Error>> {
    let text = match page {
        Page::Settings => settings()?,
        Page::Cli => commands(program)?,
        Page::Parameters => parameters()?,
        Page::Template => with_parameters(TEMPLATE, &SETTINGS)?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn settings() -> Result<String, Box<dyn Error>> {
    let mut page = String::from(
        "# Settings\n\n\
         The functions read these environment variables once, when they start. The template sets each one that has a \
         parameter.\nIf one is not valid, the function does not start and logs every problem. An empty value counts as \
         not set.\n\n\
         | setting | functions | values | default | parameter |\n|---|---|---|---|---|\n",
    );
    for Setting { name, functions, values, default, is_required, parameter, .. } in SETTINGS {
        let functions: Vec<_> = functions.iter().map(|function| function.name()).collect();
        let default = match default {
            Some(default) => format!("`{default}`"),
            None if is_required => "required".into(),
            None => "none".into(),
        };
        let parameter = parameter.map(Parameter::description).unwrap_or_default();
        let (functions, values) = (functions.join(", "), values.description());
        writeln!(page, "| `{name}` | {functions} | {values} | {default} | {parameter} |")?;
    }
    for Setting { name, help, .. } in SETTINGS {
        write!(page, "\n## `{name}`\n\n{help}\n")?;
    }
    page.push_str(
        "\n## Algorithms\n\n\
         The key decides the algorithm, never the token. The first algorithm of a `KeySpec` is its default.\n\n\
         | `alg` | in KMS | `KeySpec` |\n|---|---|---|\n",
    );
    for algorithm in Algorithm::ALL {
        let specs: Vec<_> = algorithm.key_specs().iter().map(|spec| format!("`{spec}`")).collect();
        writeln!(page, "| `{algorithm}` | `{}` | {} |", algorithm.kms_name(), specs.join(", "))?;
    }
    Ok(page)
}

fn parameters() -> Result<String, Box<dyn Error>> {
    let template = Template::parse(&with_parameters(TEMPLATE, &SETTINGS)?)?;
    let find = |section: &str, name: &str| {
        let mut members = template.section(section);
        members.find(|(own, _)| *own == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut page = String::from(
        "# Template parameters\n\n\
         `sam deploy --guided` asks for these parameters of `template.yaml`, in this order.\n",
    );
    let interface = find("Metadata", "AWS::CloudFormation::Interface");
    let groups = member(&interface, "ParameterGroups").as_array().cloned().unwrap_or_default();
    for group in groups {
        write!(page, "\n## {}\n\n", text(&member(&member(&group, "Label"), "default")))?;
        page.push_str("| parameter | values | default | description |\n|---|---|---|---|\n");
        for name in member(&group, "Parameters").as_array().into_iter().flatten() {
            let name = text(name);
            let parameter = find("Parameters", &name);
            let default = match text(&member(&parameter, "Default")) {
                default if default.is_empty() => "empty".to_owned(),
                default => format!("`{default}`"),
            };
            let (values, description) = (
                allowed_values(&parameter),
                text(&member(&parameter, "Description")).replace('|', "\\|"),
            );
            writeln!(page, "| `{name}` | {values} | {default} | {description} |")?;
        }
    }
    page.push_str(SETTINGS_TEXT);
    for Member { name, values, default, help } in members(&SETTINGS) {
        let default = if default.is_empty() { "none".into() } else { format!("`{default}`") };
        writeln!(page, "| `{name}` | {} | {default} | {help} |", values.description())?;
    }
    Ok(page)
}

/// The text about the members of `Settings`.
const SETTINGS_TEXT: &str = "
## Members of `Settings`

`Settings` lists further settings as `NAME=VALUE`, separated by commas: \
     `Settings=TokenLifetimeSeconds=900,LogRetentionDays=365`. A value has no comma. A name that is unknown or given twice, \
     and a value out of its bounds, are refused before anything is deployed. `none` is a list without members.

| name | values | default | description |
|---|---|---|---|
";

/// The allowed values of a template parameter.
fn allowed_values(parameter: &Value) -> String {
    if let Some(values) = member(parameter, "AllowedValues").as_array() {
        let values: Vec<_> = values.iter().map(|value| format!("`{}`", text(value))).collect();
        return values.join(", ");
    }
    if let (Some(min), Some(max)) =
        (member(parameter, "MinValue").as_u64(), member(parameter, "MaxValue").as_u64())
    {
        return format!("{min} to {max}");
    }
    let constraint = text(&member(parameter, "ConstraintDescription"));
    match member(parameter, "MaxLength").as_u64() {
        Some(max) => format!("{constraint}; at most {max} characters"),
        None => constraint,
    }
    .replace('|', "\\|")
}

fn member(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(
        || if value.is_null() { String::new() } else { value.to_string() },
        str::to_owned,
    )
}

fn commands(mut program: Command) -> Result<String, Box<dyn Error>> {
    program.build();
    let mut page = String::from(
        "# Command line\n\nEvery command of `countersign` with its options. [Use the command line](../cli.md) has a \
         guide.\n",
    );
    command(&mut page, &mut program, &mut Vec::new())?;
    Ok(page)
}

/// Writes a command and its subcommands.
fn command(
    page: &mut String,
    command: &mut Command,
    path: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    path.push(command.get_name().to_owned());
    write!(page, "\n## `{}`\n\n", path.join(" "))?;
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        write!(page, "{about}\n\n")?;
    }
    let usage = command.render_usage().to_string();
    write!(page, "```text\n{}\n```\n", usage.trim_start_matches("Usage: "))?;
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|it| !it.is_hide_set() && !matches!(it.get_id().as_str(), "help" | "version"))
        .collect();
    if !arguments.is_empty() {
        page.push_str("\n| argument | description |\n|---|---|\n");
        for argument in arguments {
            writeln!(page, "| {} | {} |", name(argument), description(argument))?;
        }
    }
    if let Some(help) = command.get_after_help() {
        write!(page, "\n```text\n{}\n```\n", help.to_string().trim_matches('\n'))?;
    }
    let names: Vec<_> = command
        .get_subcommands()
        .filter(|it| !it.is_hide_set() && it.get_name() != "help")
        .map(|it| it.get_name().to_owned())
        .collect();
    for name in names {
        if let Some(inner) = command.find_subcommand_mut(&name) {
            self::command(page, inner, path)?;
        }
    }
    path.pop();
    Ok(())
}

fn name(argument: &Arg) -> String {
    let value = argument.get_value_names().unwrap_or_default().join(" ");
    let takes_value = argument.get_action().takes_values();
    let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    match argument.get_long() {
        Some(long) if takes_value => format!("{short}`--{long} <{value}>`"),
        Some(long) => format!("{short}`--{long}`"),
        None => format!("`<{value}>`"),
    }
    .replace('|', "\\|")
}

fn description(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = match &*defaults {
        [] => String::new(),
        _ => format!(" Default: `{}`.", defaults.join(" ")),
    };
    let values: Vec<_> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let values = if values.is_empty() || !argument.get_action().takes_values() {
        String::new()
    } else {
        format!(" One of {}.", values.join(", "))
    };
    let environment = argument.get_env().map(|name| format!(" Environment: `{}`.", name.display()));
    format!("{help}.{values}{default}{}", environment.unwrap_or_default())
        .replace("..", ".")
        .replace('|', "\\|")
}
