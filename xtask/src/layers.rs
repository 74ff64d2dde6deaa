//! The layers of crates, which limit their dependencies.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{error::Error, workspace::Workspace};

/// The crates from the lowest layer up. A crate may depend on the crates of lower layers only.
const LAYERS: [&[&str]; 5] = [
    &["countersign-jwt"],
    &["countersign-policy", "countersign-kms", "countersign-oidc"],
    &["countersign-rotation", "countersign-runtime"],
    &["issuer", "authorizer", "rotator"],
    &["countersign"],
];

/// The crate that starts the services of AWS on one machine. Of the layers, only the highest may depend on it.
const LOCAL: &str = "countersign-local";

/// Crates that are never deployed, with all that they may depend on. Other crates may have them for their tests only.
const DEVELOPMENT: [(&str, &[&str]); 3] = [
    (LOCAL, &["countersign-jwt"]),
    ("countersign-testing", &[LOCAL, "countersign-jwt"]),
    ("xtask", &[LOCAL, "countersign-testing"]),
];

/// The workspace's crates, each with the crates of the workspace that it depends on.
type Dependencies = BTreeMap<String, Vec<String>>;

/// The dependencies that break the order of the layers, one a line.
pub(crate) fn violations(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let command = workspace.command("cargo")?;
    let command = command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = command.to_string();
    let metadata: Value = serde_json::from_slice(&command.stdout()?)
        .map_err(|source| Error::Json { command: text, source })?;
    Ok(check(&dependencies(&metadata)))
}

/// The normal dependencies; those of tests and build scripts may point anywhere.
fn dependencies(metadata: &Value) -> Dependencies {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let packages = list(&metadata["packages"]);
    let is_member =
        |dependency: &Value| packages.iter().any(|own| own["name"] == dependency["name"]);
    packages
        .iter()
        .map(|package| {
            let all = list(&package["dependencies"]);
            let normal = all.iter().filter(|dependency| dependency["kind"].is_null());
            (name(package), normal.filter(|dependency| is_member(dependency)).map(name).collect())
        })
        .collect()
}

fn check(dependencies: &Dependencies) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, used) in dependencies {
        let is_allowed: &dyn Fn(&str) -> bool = match (layer(name), development(name)) {
            (Some(own), _) => &move |other| {
                let is_highest = own + 1 == LAYERS.len();
                layer(other).is_some_and(|other| other < own) || is_highest && other == LOCAL
            },
            (None, Some(allowed)) => &move |other| allowed.contains(&other),
            (None, None) => {
                problems.push(format!("{name} is in no layer: add it to xtask/src/layers.rs"));
                continue;
            }
        };
        let wrong = used.iter().filter(|other| !is_allowed(other));
        problems.extend(wrong.map(|other| format!("{name} must not depend on {other}")));
    }
    problems
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|crates| crates.contains(&name))
}

fn development(name: &str) -> Option<&'static [&'static str]> {
    DEVELOPMENT.iter().find(|(own, _)| *own == name).map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dependencies_point_to_lower_layers() {
        let rows: [(&str, &str, &[&str]); 10] = [
            ("countersign-kms", "countersign-jwt", &[]),
            ("issuer", "countersign-jwt", &[]),
            ("countersign", "countersign-local", &[]),
            ("countersign-local", "countersign-jwt", &[]),
            (
                "countersign-jwt",
                "countersign-kms",
                &["countersign-jwt must not depend on countersign-kms"],
            ),
            (
                "countersign-policy",
                "countersign-kms",
                &["countersign-policy must not depend on countersign-kms"],
            ),
            ("issuer", "authorizer", &["issuer must not depend on authorizer"]),
            ("issuer", "countersign-local", &["issuer must not depend on countersign-local"]),
            (
                "countersign",
                "countersign-testing",
                &["countersign must not depend on countersign-testing"],
            ),
            ("other", "issuer", &["other is in no layer: add it to xtask/src/layers.rs"]),
        ];
        let failed = rows.iter().filter(|(name, used, expected)| {
            let dependencies = [((*name).to_owned(), vec![(*used).to_owned()])];
            check(&dependencies.into()) != *expected
        });
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _, _)>::new());
    }

    #[test]
    fn only_normal_dependencies_on_members_count() {
        let metadata = json!({"packages": [
            {"name": "a", "dependencies": [
                {"name": "b", "kind": null},
                {"name": "c", "kind": "dev"},
                {"name": "serde", "kind": null},
            ]},
            {"name": "b", "dependencies": []},
            {"name": "c", "dependencies": []},
        ]});
        let expected: [(_, &[&str]); 3] = [("a", &["b"]), ("b", &[]), ("c", &[])];
        let expected = expected.map(|(name, used)| {
            (name.to_owned(), used.iter().map(|name| (*name).to_owned()).collect())
        });
        assert_eq!(dependencies(&metadata), expected.into());
    }
}
