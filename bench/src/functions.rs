//! Finds the built functions in the layouts of the build tools.

use std::{
    env, io,
    path::{Path, PathBuf},
};

/// The directory of the functions: the environment variable `FUNCTIONS`, or by default the one to which
/// `cargo xtask bench` builds them.
pub fn directory() -> PathBuf {
    let configured = env::var_os("FUNCTIONS").filter(|name| !name.is_empty());
    configured.map_or_else(|| "../target/lambda".into(), |name| resolve(Path::new(&name)))
}

/// Resolves a path that the user entered. `cargo xtask bench` changes the working directory and stores the original
/// one in `CALLED_FROM`.
pub fn resolve(directory: &Path) -> PathBuf {
    Path::new(&env::var_os("CALLED_FROM").unwrap_or_default()).join(directory)
}

/// The program of a function. `cargo lambda build` writes `NAME/bootstrap`, `sam build` writes
/// `Name/bootstrap` (the template's logical id), and `cargo build` writes `NAME`.
pub fn find(directory: &Path, name: &str) -> io::Result<PathBuf> {
    let (first, rest) = name.split_at(1);
    let logical_id = first.to_uppercase() + rest;
    let candidates = [format!("{name}/bootstrap"), format!("{logical_id}/bootstrap"), name.into()];
    let found = candidates.iter().map(|path| directory.join(path)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let (folder, candidates) = (directory.display(), candidates.join(", "));
        io::Error::other(format!("no function `{name}` in {folder}: none of {candidates} exists"))
    })
}
