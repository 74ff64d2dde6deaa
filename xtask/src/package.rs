//! The packages of a release, which deploy without a Rust toolchain.

use std::{fs, path::Path};

use clap::ValueEnum as _;
use regex_lite::Regex;

use crate::{
    build::{Architecture, build},
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
    for function in ["Issuer", "OAuthIssuer", "Authorizer", "Rotator"] {
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
    let packed = packed_template(&text)
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
fn packed_template(built: &str) -> Option<String> {
    let layer = Regex::new(r"(\n      ContentUri: )\S*layer/?\n").ok()?;
    (layer.find_iter(built).count() == 1).then(|| layer.replace(built, "${1}layer\n").into_owned())
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
        let built =
            "Resources:\n  ConfigLayer:\n    Properties:\n      ContentUri: ../../../layer\n";
        assert_eq!(packed_template(built), Some(built.replace("../../../layer", "layer")));
        assert_eq!(packed_template(&built.replace("layer", "other")), None);
    }
}
