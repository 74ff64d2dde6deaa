//! Static checks of the sources.

use crate::{
    cycles,
    error::Error,
    type_names,
    workspace::{Workspace, announce},
};

/// Files that a hosting service reads, or folders with such files, with the schemas that they follow.
const SCHEMAS: [(&str, &str); 8] = [
    ("vendor.github-workflows", ".github/workflows"),
    ("vendor.github-workflows", "examples/github-actions"),
    ("vendor.github-workflows", "examples/trusted-issuers/github-actions"),
    ("vendor.gitlab-ci", "examples/trusted-issuers/gitlab-ci"),
    ("vendor.github-actions", ".github/actions/setup"),
    ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE"),
    ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ("vendor.renovate", "renovate.json"),
];

/// Advisories are not checked: their database is a repository that cannot be reached from everywhere.
const DENY: [&str; 6] =
    ["check", "-A", "license-exception-not-encountered", "bans", "licenses", "sources"];

/// The programs of this part.
pub(super) const TOOLS: [&str; 3] = ["cargo-deny", "check-jsonschema", "typos"];

pub(super) fn run(workspace: &Workspace) -> Result<(), Error> {
    let cargo = || workspace.command("cargo");
    cargo()?.args(["fmt", "--all", "--check"]).run()?;
    let bench = ["--manifest-path", "bench/Cargo.toml"];
    cargo()?.args(["fmt"]).args(bench).args(["--all", "--check"]).run()?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    cargo()?.args(clippy).run()?;
    let fuzz = ["--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target"];
    cargo()?.args(["check", "--locked"]).args(fuzz).run()?;

    let deny = || workspace.command("cargo-deny");
    let strict = ["unmatched-skip", "unmatched-skip-root", "license-not-encountered"];
    deny()?.args(DENY).args(strict.iter().flat_map(|lint| ["-D", lint])).run()?;
    // The exceptions are those of the main workspace. Other workspaces do not need all of them.
    for manifest in ["bench/Cargo.toml", "fuzz/Cargo.toml"] {
        let manifest = ["--manifest-path", manifest, "--config", "deny.toml"];
        let step = deny()?.args(manifest).args(DENY);
        step.args(strict.iter().flat_map(|lint| ["-A", lint])).run()?;
    }

    workspace.command("typos")?.run()?;
    for (schema, place) in SCHEMAS {
        let files = if workspace.path(place).is_dir() {
            workspace.yaml_files(place)?
        } else {
            vec![place.to_owned()]
        };
        let check = workspace.command("check-jsonschema")?.args(["--builtin-schema", schema]);
        check.args(files).run()?;
    }
    announce("check that each type name stands for one type");
    type_names::check(workspace)?;
    announce("cargo xtask cycles");
    cycles::run(workspace, &cycles::Arguments::default())
}
