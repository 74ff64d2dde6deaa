//! The packages that are deployed.

use std::path::{Path, PathBuf};

use crate::{
    build::{Architecture, write_template},
    error::Error,
    workspace::Workspace,
};

/// A folder with `samconfig.toml`, and in it the output of `sam build`.
#[derive(Debug, Clone)]
pub(super) struct Packages {
    pub(super) folder: PathBuf,
}

/// The template with the packages, below the folder.
const BUILT: &str = ".aws-sam/build/template.yaml";

/// A quick build. The packages of an older revision are only run, not measured.
const PROFILE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_INCREMENTAL", "0"),
];

impl Packages {
    /// The packages of this tree, which `sam build` has made.
    pub(super) fn of_this_tree(workspace: &Workspace) -> Result<Self, Error> {
        let built = workspace.path(BUILT);
        if !built.is_file() {
            return Err(Error::Check("there are no packages; run `cargo xtask build`".into()));
        }
        Ok(Self { folder: workspace.path("") })
    }

    /// The packages of another revision, which are built in a separate work tree.
    pub(super) fn of_revision(
        workspace: &Workspace,
        folder: &Path,
        revision: &str,
    ) -> Result<Self, Error> {
        let commit = format!("{revision}^{{commit}}");
        let parse = workspace.command("git")?.args(["rev-parse", "--verify", "--quiet", &commit]);
        let commit = String::from_utf8_lossy(&parse.stdout()?).trim().to_owned();
        let tree = folder.join(commit.get(..12).unwrap_or(&commit));
        if !tree.is_dir() {
            workspace.command("git")?.args(["worktree", "prune"]).run_quietly()?;
            let add = workspace.command("git")?.args(["worktree", "add", "--detach", "--quiet"]);
            add.args([tree.as_os_str(), commit.as_ref()]).run()?;
        }
        if !tree.join(BUILT).is_file() {
            let mut sam = workspace.command("sam")?.in_folder(&tree).env("SAM_CLI_TELEMETRY", "0");
            for (name, value) in PROFILE {
                sam = sam.env(name, value);
            }
            sam = sam.env("CARGO_TARGET_DIR", folder.join("target"));
            let template = write_template(&tree, Architecture::of_this_machine())?;
            let options = match &template {
                Some(template) => ["--template-file".to_owned(), template.to_owned()],
                None => ["--parameter-overrides".to_owned(), architecture_parameter()],
            };
            sam.args(["build"]).args(options).run()?;
        }
        Ok(Self { folder: tree })
    }
}

/// The processor of this machine, on which the emulator runs the functions, for templates with a parameter for it.
pub(super) fn architecture() -> &'static str {
    Architecture::of_this_machine().name()
}

fn architecture_parameter() -> String {
    format!("Architecture={}", architecture())
}
