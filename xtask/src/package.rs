//! The packages of a release, which deploy without a Rust toolchain.

mod template;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum as _;
use regex_lite::Regex;

use crate::{
    build::{Architecture, build},
    error::Error,
    workspace::{Workspace, announce},
};

/// Build the packages of a release in target/packages: a ZIP file for each processor, and SHA256SUMS
///
/// Each has the functions, the configuration files with their schemas and examples, the templates, and a README.
/// `sam deploy --guided` in the unpacked folder deploys it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The processors; all by default
    #[arg(long = "architecture", value_name = "ARCHITECTURE")]
    architectures: Vec<Architecture>,
    /// Fail if this is not the tag of the version in Cargo.toml
    #[arg(long)]
    tag: Option<String>,
}

/// The folder of the packages, below the root.
const FOLDER: &str = "target/packages";

/// The functions, which `sam build` makes. The program of `OAuthIssuer` is that of `Issuer`, and packed once.
const FUNCTIONS: [&str; 3] = ["Issuer", "Authorizer", "Rotator"];

/// Further files of the workspace in a package, without the workflow for GitHub Actions, which builds the source code.
const SOURCES: [&str; 8] = [
    "LICENSE",
    "config",
    "deploy",
    "events/issue-invoke.json",
    "examples",
    ":!examples/github-actions",
    "layer",
    "samconfig.toml",
];

/// The README of a package.
const README: &str = include_str!("package/README.md");

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    if let Some(tag) = &arguments.tag {
        check_tag(tag)?;
    }
    let architectures = match &*arguments.architectures {
        [] => Architecture::value_variants(),
        some => some,
    };
    for architecture in architectures {
        let folder = format!("{FOLDER}/build-{}", architecture.name());
        build(workspace, *architecture, Some(&folder))?;
        pack(workspace, *architecture, &folder)?;
    }
    Ok(())
}

/// Makes the package of what `sam build` has built. Returns the ZIP file.
pub(crate) fn pack(
    workspace: &Workspace,
    architecture: Architecture,
    built: &str,
) -> Result<PathBuf, Error> {
    let name = name(architecture);
    announce(&format!("package {name}.zip"));
    let (packages, built) = (workspace.path(FOLDER), workspace.path(built));
    let folder = packages.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::file(&folder))?;
    }
    let [issuer, oauth_issuer] = ["Issuer", "OAuthIssuer"].map(|it| read_program(&built, it));
    if issuer? != oauth_issuer? {
        return Err(Error::Check("Issuer and OAuthIssuer have different programs".into()));
    }
    for function in FUNCTIONS {
        copy(&built.join(function), &folder.join(function))?;
    }
    // Only tracked files and files that git would add, without the modules that npm has installed there.
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"];
    let sources = workspace.command("git")?.args(list).args(SOURCES).stdout()?;
    for source in String::from_utf8_lossy(&sources).split_terminator('\0') {
        copy(&workspace.path(source), &folder.join(source))?;
    }
    let template = built.join("template.yaml");
    let text = fs::read_to_string(&template).map_err(Error::file(&template))?;
    let template = template::packed(&text, architecture)?;
    for (file, text) in [("template.yaml", &*template), ("README.md", README)] {
        let file = folder.join(file);
        fs::write(&file, text).map_err(Error::file(&file))?;
    }
    let named = [template::paths(&template)?, paths_of_readme(README)?].concat();
    check_paths(&folder, &named)?;
    // Its command line keeps the modes of files: functions that are not executable do not start.
    let zip = format!("{name}.zip");
    let python = workspace.command("python3")?.in_folder(&packages);
    python.args(["-m", "zipfile", "--create", &zip, &name]).run()?;
    let python = workspace.command("python3")?.in_folder(&packages);
    python.args(["-c", SUMS, env!("CARGO_PKG_VERSION")]).run_quietly()?;
    Ok(packages.join(zip))
}

/// The files and folders that a template names, relative to it.
pub(crate) fn paths(template: &str) -> Result<Vec<String>, Error> {
    template::paths(template)
}

/// The name of a package, and of its folder.
pub(crate) fn name(architecture: Architecture) -> String {
    format!("countersign-{}-{}", env!("CARGO_PKG_VERSION"), architecture.name())
}

/// Fails if the tag is that of another version.
fn check_tag(tag: &str) -> Result<(), Error> {
    let expected = concat!("v", env!("CARGO_PKG_VERSION"));
    if tag == expected {
        return Ok(());
    }
    let problem =
        format!("the tag is `{tag}`, but the version in Cargo.toml has the tag `{expected}`");
    Err(Error::Check(problem))
}

fn read_program(built: &Path, function: &str) -> Result<Vec<u8>, Error> {
    let file = built.join(function).join("bootstrap");
    fs::read(&file).map_err(Error::file(&file))
}

/// The files, and the folders with a slash at their end, that the README names.
fn paths_of_readme(readme: &str) -> Result<Vec<String>, Error> {
    let path = r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*(?:/|\.(?:json|md|toml|yaml)\b)";
    let path = Regex::new(path).map_err(|error| Error::Check(error.to_string()))?;
    Ok(path.find_iter(readme).map(|found| found.as_str().to_owned()).collect())
}

/// Fails if a path leads out of the folder, or does not exist there.
fn check_paths(folder: &Path, paths: &[String]) -> Result<(), Error> {
    let is_there = |path: &&String| {
        let is_inside = !Path::new(path).is_absolute() && !path.split('/').any(|part| part == "..");
        is_inside && folder.join(path).exists()
    };
    let missing: Vec<_> = paths.iter().filter(|path| !is_there(path)).map(|it| &**it).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Check(format!("the package does not have {}", missing.join(", "))))
}

/// Copies a file or a folder, with modes.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if !from.is_dir() {
        let folder = to.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        return fs::copy(from, to).map(drop).map_err(Error::file(from));
    }
    for entry in fs::read_dir(from).map_err(Error::file(from))? {
        let entry = entry.map_err(Error::file(from))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Writes the SHA-256 digests of the packages of a version, in the format of `sha256sum --check`.
const SUMS: &str = "
import hashlib, pathlib, sys
files = sorted(pathlib.Path().glob(f'countersign-{sys.argv[1]}-*.zip'))
lines = [f'{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\\n' for file in files]
pathlib.Path('SHA256SUMS').write_text(''.join(lines))
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_of_another_version_is_refused() {
        check_tag(&format!("v{}", env!("CARGO_PKG_VERSION"))).unwrap();
        for tag in ["v0.0.1", env!("CARGO_PKG_VERSION"), "main", ""] {
            let error = check_tag(tag).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the tag is `{tag}`, but")), "{tag}: {error}");
        }
    }

    #[test]
    fn paths_that_are_not_in_the_package_are_refused() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rows = [
            ("Cargo.toml", true),
            ("src", true),
            ("src/", true),
            ("src/other.rs", false),
            ("../LICENSE", false),
            ("src/../../LICENSE", false),
            ("/dev/null", false),
        ];
        for (path, is_there) in rows {
            let checked = check_paths(folder, &[path.to_owned()]);
            assert_eq!(checked.is_ok(), is_there, "{path}");
        }
        let paths = ["src", "a", "../b"].map(str::to_owned);
        let error = check_paths(folder, &paths).unwrap_err().to_string();
        assert_eq!(error, "the package does not have a, ../b");
    }

    #[test]
    fn readme_names_files_and_folders() {
        let readme =
            "Edit `layer/config/`, then:\nsam deploy -t deploy/demo.yaml and/or `a.json`.\n";
        let paths = paths_of_readme(readme).unwrap();
        assert_eq!(paths, ["layer/config/", "deploy/demo.yaml", "and/", "a.json"]);
    }

    #[test]
    fn readme_of_a_package_names_only_what_is_packed() {
        let paths = paths_of_readme(README).unwrap();
        assert!(paths.contains(&"layer/config/".to_owned()), "{paths:?}");
        let is_packed = |path: &&String| {
            SOURCES.iter().chain(&["template.yaml"]).any(|it| path.starts_with(it))
        };
        let others: Vec<_> = paths.iter().filter(|path| !is_packed(path)).collect();
        assert_eq!(others, Vec::<&String>::new());
    }
}
