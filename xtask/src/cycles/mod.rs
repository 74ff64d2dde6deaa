//! Checks that no modules or crates depend on each other in a cycle.

mod graph;
mod modules;
mod references;
mod resolve;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

pub(crate) use self::modules::is_test;
use self::{
    modules::Crate,
    references::{Reference, references},
};
use crate::{error::Error, layers, workspace::Workspace};

/// Check that modules and crates depend on each other without a cycle
///
/// Every `use` and every path of a module counts, except in tests and documentation, towards the
/// module that defines the item. A module that only re-exports its children does not depend on them.
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// Print a cycle through every edge that is in one, not only cycles without a common edge
    #[arg(long)]
    all: bool,
}

/// Checks every crate, and prints the cycles and the dependencies against the order of the layers.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let mut problems = layers::violations(workspace)?;
    let read = |file: &Path| fs::read_to_string(file).ok();
    let (mut roots, mut count) = (Vec::new(), 0);
    for folder in crate_folders(workspace)? {
        let candidates = ["src/lib.rs", "src/main.rs"].map(|root| folder.join(root));
        roots.extend(candidates.into_iter().filter(|root| root.is_file()));
    }
    for root in &roots {
        let (modules, cycles) = check(root, arguments.all, &read)?;
        count += modules;
        problems.extend(cycles.into_iter().map(|mut cycle| {
            for edge in &mut cycle.0 {
                edge.file = workspace.relative(&edge.file).to_owned();
            }
            cycle.to_string()
        }));
    }
    if problems.is_empty() {
        println!("{count} modules in {} crates, no cycle", roots.len());
        return Ok(());
    }
    for problem in &problems {
        println!("{problem}");
    }
    let found = match problems.len() {
        1 => "1 dependency problem".to_owned(),
        count => format!("{count} dependency problems"),
    };
    Err(Error::Check(format!("{found}: make each edge of a cycle point one way")))
}

fn crate_folders(workspace: &Workspace) -> Result<Vec<PathBuf>, Error> {
    let crates = workspace.path("crates");
    let entries = fs::read_dir(&crates).map_err(Error::file(&crates))?;
    let mut folders: Vec<_> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(Error::file(&crates))?;
    folders.push(workspace.path("xtask"));
    folders.sort();
    Ok(folders)
}

/// Modules that depend on each other, by the edges between them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cycle(Vec<Edge>);

/// A use of an item of the next module in the cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    module: String,
    file: PathBuf,
    reference: Reference,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().chain(self.0.first()).map(|edge| &*edge.module).collect();
        let file = self.0.first().map_or(Path::new(""), |edge| &edge.file);
        let source = file.ancestors().find(|folder| folder.ends_with("src"));
        let own = source.and_then(Path::parent).unwrap_or(file);
        write!(f, "cycle in {}: {}", own.display(), names.join(" -> "))?;
        for Edge { file, reference, .. } in &self.0 {
            write!(f, "\n  {}:{}: {}", file.display(), reference.line, reference.text)?;
        }
        Ok(())
    }
}

/// The number of files of the crate with this root, and the cycles among their modules.
fn check(
    root: &Path,
    all: bool,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<(usize, Vec<Cycle>), Error> {
    let whole = Crate::load(root, read)?;
    let references = references(&whole);
    let edge = |(from, to)| {
        let (module, reference) = (whole.modules.get(from)?, references.get(&(from, to))?);
        let name = if module.path.is_empty() { "crate".into() } else { module.path.join("::") };
        Some(Edge { module: name, file: module.file.clone(), reference: reference.clone() })
    };
    let edges = references.keys().copied();
    let cycles = if all { graph::all_cycles(edges) } else { graph::separate_cycles(edges) };
    let cycles =
        cycles.iter().map(|cycle| Cycle(graph::edges_of(cycle).filter_map(edge).collect()));
    let files = whole.modules.iter().enumerate().filter(|(id, module)| module.of_file == *id);
    Ok((files.count(), cycles.collect()))
}

#[cfg(test)]
mod tests;
