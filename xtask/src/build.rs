//! The packages of `sam build`, for any processor.

use std::{fs, path::Path};

use clap::ValueEnum;
use regex_lite::Regex;

use crate::{error::Error, workspace::Workspace};

/// Build the functions for the processor of this machine with `sam build`
///
/// `template.yaml` says for which processor the functions are deployed. The emulators of this machine run them on its
/// own, so they are built from a copy of the template that names it.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// The processor of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

impl Architecture {
    /// The processor of this machine.
    pub(crate) fn of_this_machine() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 }
    }

    /// The name in the template.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }
}

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    build(workspace, Architecture::of_this_machine(), None)
}

/// Runs `sam build`, into its own folder by default. It builds one function after the other, and the last step of each
/// uses one CPU, so all functions are built together first. They have the same features of shared crates: what is built
/// here is not built again.
pub(crate) fn build(
    workspace: &Workspace,
    architecture: Architecture,
    folder: Option<&str>,
) -> Result<(), Error> {
    let template = write_template(&workspace.path(""), architecture)?
        .ok_or_else(|| Error::Check("template.yaml has no line with the processor".into()))?;
    let lambda = workspace.command("cargo-lambda")?.args(["build", "--release"]);
    let arm64 = (architecture == Architecture::Arm64).then_some("--arm64");
    let packages = FUNCTIONS.iter().flat_map(|function| ["--package", function]);
    lambda.args(arm64).args(packages).run()?;
    let sam = workspace.command("sam")?.env("SAM_CLI_TELEMETRY", "0").args(["build"]);
    let sam = sam.args(["--template-file", &template]);
    sam.args(folder.iter().flat_map(|folder| ["--build-dir", folder])).run()
}

/// The packages of the functions in the template.
const FUNCTIONS: [&str; 3] = ["issuer", "authorizer", "rotator"];

/// Writes the template with this processor next to `template.yaml`, because its paths are relative. Returns the name of
/// the file, or nothing if the template does not name a processor.
pub(crate) fn write_template(
    folder: &Path,
    architecture: Architecture,
) -> Result<Option<String>, Error> {
    let template = folder.join("template.yaml");
    let text = fs::read_to_string(&template).map_err(Error::file(&template))?;
    let Some(text) = with_architecture(&text, architecture) else { return Ok(None) };
    let name = format!(".template-{}.yaml", architecture.name());
    let copy = folder.join(&name);
    fs::write(&copy, text).map_err(Error::file(&copy))?;
    Ok(Some(name))
}

/// A template whose functions are for this processor.
fn with_architecture(template: &str, architecture: Architecture) -> Option<String> {
    let line = Regex::new(r"(\n    Architectures: )\[\w+\]\n").ok()?;
    let is_named = line.find_iter(template).count() == 1;
    let replacement = format!("${{1}}[{}]\n", architecture.name());
    is_named.then(|| line.replace(template, replacement).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_of_the_template_is_replaced() {
        let template = include_str!("../../template.yaml");
        let replaced = with_architecture(template, Architecture::X86_64).unwrap();
        let changed: Vec<_> =
            template.lines().zip(replaced.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!(changed, [("    Architectures: [arm64]", "    Architectures: [x86_64]")]);
        assert_eq!(with_architecture(template, Architecture::Arm64).as_deref(), Some(template));
    }

    #[test]
    fn template_with_a_parameter_for_the_processor_is_not_changed() {
        let template = "Globals:\n  Function:\n    Architectures: [!Ref Architecture]\n";
        assert_eq!(with_architecture(template, Architecture::Arm64), None);
    }
}
