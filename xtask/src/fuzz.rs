//! The fuzz targets.

use std::fs;

use crate::{error::Error, workspace::Workspace};

/// Run a fuzz target, from its seeds and from what earlier runs have found
///
/// It needs cargo-fuzz: `cargo install cargo-fuzz`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A file of `fuzz/fuzz_targets`, without `.rs`
    #[arg(required_unless_present = "list")]
    target: Option<String>,
    /// For how long, in seconds
    #[arg(long, default_value = "600")]
    seconds: u32,
    /// Print the names of the targets, as a JSON array
    #[arg(long, conflicts_with = "target")]
    list: bool,
}

/// Runs the target, or prints the names of all.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let targets = targets(workspace)?;
    let Some(target) = &arguments.target else {
        println!("{}", serde_json::json!(targets));
        return Ok(());
    };
    if !targets.contains(target) {
        let known = targets.join(", ");
        return Err(Error::Check(format!("`{target}` is not a fuzz target: use one of {known}")));
    }
    let folders = [format!("corpus/{target}"), format!("seeds/{target}")];
    for folder in &folders {
        let folder = workspace.path("fuzz").join(folder);
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    }
    let command = workspace.command("cargo-fuzz")?.in_folder(&workspace.path("fuzz"));
    // cargo-fuzz needs unstable flags of the compiler; this accepts them from the pinned one.
    let command = command.env("RUSTC_BOOTSTRAP", "1").args(["run", target]).args(&folders);
    command.args(["--", &format!("-max_total_time={}", arguments.seconds)]).run()
}

/// The names of the targets, in alphabetical order.
fn targets(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let folder = workspace.path("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Error::file(&folder))? {
        let file = entry.map_err(Error::file(&folder))?.path();
        if file.extension().is_some_and(|extension| extension == "rs") {
            names.extend(file.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_target_is_refused() {
        let target = Some("nothing".to_owned());
        let arguments = Arguments { target, seconds: 1, list: false };
        let error = run(&Workspace::find().unwrap(), &arguments).unwrap_err().to_string();
        assert!(error.starts_with("`nothing` is not a fuzz target"), "{error}");
    }

    #[test]
    fn each_target_is_in_the_manifest() {
        let workspace = Workspace::find().unwrap();
        let manifest = fs::read_to_string(workspace.path("fuzz/Cargo.toml")).unwrap();
        let targets = targets(&workspace).unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(manifest.contains(&format!("\"fuzz_targets/{target}.rs\"")), "{target}");
        }
    }
}
