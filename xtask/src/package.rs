//! The packages of a release, which deploy without a Rust toolchain.

use std::{fs, path::Path};

use clap::ValueEnum;
use regex_lite::Regex;

use crate::{
    error::Error,
    workspace::{Workspace, announce},
};

/// Build the packages of a release in target/packages: a ZIP file for each processor, and SHA256SUMS
///
/// Each has the functions, the configuration files and a template that refers to them. `sam deploy --guided` in the
/// unpacked folder deploys it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The processors; all by default
    #[arg(long = "architecture", value_name = "ARCHITECTURE")]
    architectures: Vec<Architecture>,
}

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

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let architectures = match &*arguments.architectures {
        [] => Architecture::value_variants(),
        some => some,
    };
    for architecture in architectures {
        let folder = format!("target/packages/build-{}", architecture.name());
        build(workspace, *architecture, Some(&folder))?;
        pack(workspace, *architecture, &folder)?;
    }
    Ok(())
}

/// Runs `sam build`, into its own folder by default.
pub(crate) fn build(
    workspace: &Workspace,
    architecture: Architecture,
    folder: Option<&str>,
) -> Result<(), Error> {
    let sam = workspace.command("sam")?.env("SAM_CLI_TELEMETRY", "0").args(["build"]);
    let parameters = format!("Architecture={}", architecture.name());
    let sam = sam.args(["--parameter-overrides", &parameters]);
    sam.args(folder.iter().flat_map(|folder| ["--build-dir", folder])).run()
}

/// Makes the package of what `sam build` has built.
pub(crate) fn pack(
    workspace: &Workspace,
    architecture: Architecture,
    built: &str,
) -> Result<(), Error> {
    let name = format!("countersign-{}-{}", env!("CARGO_PKG_VERSION"), architecture.name());
    announce(&format!("package {name}.zip"));
    let (packages, built) = (workspace.path("target/packages"), workspace.path(built));
    let folder = packages.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::file(&folder))?;
    }
    for function in ["Issuer", "Authorizer", "Rotator"] {
        copy(&built.join(function), &folder.join(function))?;
    }
    for sources in ["deploy", "layer"] {
        copy(&workspace.path(sources), &folder.join(sources))?;
    }
    for file in ["LICENSE", "README.md", "samconfig.toml"] {
        copy(&workspace.path(file), &folder.join(file))?;
    }
    let template = built.join("template.yaml");
    let text = fs::read_to_string(&template).map_err(Error::file(&template))?;
    let packed = packed_template(&text, architecture)
        .ok_or_else(|| Error::Check("the built template has not the expected form".into()))?;
    let template = folder.join("template.yaml");
    fs::write(&template, packed).map_err(Error::file(&template))?;
    // Its command line keeps the modes of files: functions that are not executable do not start.
    let zip = format!("{name}.zip");
    let python = workspace.command("python3")?.in_folder(&packages);
    python.args(["-m", "zipfile", "--create", &zip, &name]).run()?;
    let python = workspace.command("python3")?.in_folder(&packages);
    python.args(["-c", SUMS]).run()
}

/// The template of a package: its functions and its layer lie beside it.
fn packed_template(built: &str, architecture: Architecture) -> Option<String> {
    let default = Regex::new(r"(\n  Architecture:\n(?:    .*\n)*?    Default: )\w+\n").ok()?;
    let layer = Regex::new(r"(\n      ContentUri: )\S*layer/?\n").ok()?;
    if default.find_iter(built).count() != 1 || layer.find_iter(built).count() != 1 {
        return None;
    }
    let text = default.replace(built, format!("${{1}}{}\n", architecture.name()));
    Some(layer.replace(&text, "${1}layer\n").into_owned())
}

/// Copies a file or a folder, with modes.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(Error::file(from));
    }
    fs::create_dir_all(to).map_err(Error::file(to))?;
    for entry in fs::read_dir(from).map_err(Error::file(from))? {
        let entry = entry.map_err(Error::file(from))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Writes the SHA-256 digests in the format of `sha256sum --check`.
const SUMS: &str = "
import hashlib, pathlib
lines = [f'{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\\n' for file in sorted(pathlib.Path().glob('*.zip'))]
pathlib.Path('SHA256SUMS').write_text(''.join(lines))
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_template_refers_to_files_beside_it() {
        let built = "Parameters:\n  Tracing:\n    Default: Active\n  Architecture:\n    Type: String\n    Default: arm64\n\
                     Resources:\n  ConfigLayer:\n    Properties:\n      ContentUri: ../../../layer\n";
        let packed = packed_template(built, Architecture::X86_64).unwrap();
        let expected = built.replace("arm64", "x86_64").replace("../../../layer", "layer");
        assert_eq!(packed, expected);
        assert_eq!(
            packed_template(&built.replace("Architecture", "Other"), Architecture::Arm64),
            None
        );
        assert_eq!(packed_template(&built.replace("layer", "other"), Architecture::Arm64), None);
    }
}
