//! What can be said of the sources without a run.

use std::iter;

use crate::{
    cycles,
    error::Error,
    workspace::{Workspace, announce},
};

/// The configuration of the spelling checker.
const TYPOS: &str = "_typos.toml";

/// The configuration of dependency updates.
const RENOVATE: &str = "renovate.json";

/// Files that a hosting service reads, or folders with such files, with the schemas that they follow.
const SCHEMAS: [(&str, &str); 8] = [
    ("vendor.github-workflows", ".github/workflows"),
    ("vendor.github-workflows", "examples/github-actions"),
    ("vendor.github-workflows", "examples/trusted-issuers/github-actions"),
    ("vendor.gitlab-ci", "examples/trusted-issuers/gitlab-ci"),
    ("vendor.github-actions", ".github/actions/setup"),
    ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE"),
    ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ("vendor.renovate", RENOVATE),
];

/// The list of known weaknesses is left out: it is a repository that cannot be reached from everywhere.
const DENY: [&str; 6] =
    ["check", "-A", "license-exception-not-encountered", "bans", "licenses", "sources"];

/// The programs of this part. Those without a configuration are not run.
pub(super) fn tools(workspace: &Workspace) -> Vec<&'static str> {
    let optional = [("typos", TYPOS), ("check-jsonschema", RENOVATE)];
    let configured = optional.into_iter().filter(|(_, file)| workspace.path(file).is_file());
    iter::once("cargo-deny").chain(configured.map(|(tool, _)| tool)).collect()
}

pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let cargo = || workspace.command("cargo");
    cargo()?.args(["fmt", "--all", "--check"]).run()?;
    let bench = ["--manifest-path", "bench/Cargo.toml"];
    cargo()?.args(["fmt"]).args(bench).args(["--all", "--check"]).run()?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    cargo()?.args(clippy).run()?;
    let fuzz = ["--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target"];
    cargo()?.args(["check"]).args(fuzz).run()?;

    let deny = || workspace.command("cargo-deny");
    let strict = ["unmatched-skip", "unmatched-skip-root", "license-not-encountered"];
    deny()?.args(DENY).args(strict.iter().flat_map(|lint| ["-D", lint])).run()?;
    // The exceptions are the main workspace's: another one does not need all of them.
    for manifest in ["bench/Cargo.toml", "fuzz/Cargo.toml"] {
        let manifest = ["--manifest-path", manifest, "--config", "deny.toml"];
        let step = deny()?.args(manifest).args(DENY);
        step.args(strict.iter().flat_map(|lint| ["-A", lint])).run()?;
    }

    if workspace.path(TYPOS).is_file() {
        workspace.command("typos")?.run()?;
    }
    if workspace.path(RENOVATE).is_file() {
        for (schema, place) in SCHEMAS {
            let files = if workspace.path(place).is_dir() {
                workspace.yaml_files(place)?
            } else {
                vec![place.to_owned()]
            };
            let check = workspace.command("check-jsonschema")?.args(["--builtin-schema", schema]);
            check.args(files).run()?;
        }
    }
    announce("cargo xtask cycles");
    cycles::run(workspace, &cycles::Arguments::default())
}
