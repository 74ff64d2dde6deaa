//! The file with the revocations. It is replaced whole, so that no deployment packs half a list.

use std::{
    error::Error,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use crate::{configuration::read, exit::UsageError, input::with_path};

/// The file, which no other `countersign revoke` changes until this is dropped.
pub(crate) struct ListFile {
    /// The path without symbolic links: a link would be replaced by the file.
    path: PathBuf,
    pub(crate) text: String,
    /// The lock of its folder. `None`: the file system has no locks.
    _lock: Option<File>,
}

impl ListFile {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn open(file: &Path) -> Result<Self, Box<dyn Error>> {
        let path = fs::canonicalize(file).map_err(|error| UsageError(with_path(file, &error)))?;
        let lock = path.parent().and_then(|folder| File::open(folder).ok());
        let lock = lock.filter(|folder| folder.lock().is_ok());
        let text =
            read(&path).map_err(|problem| UsageError(format!("{}: {problem}", file.display())))?;
        Ok(Self { path, text, _lock: lock })
    }

    /// Replaces the text.
    ///
    /// # Errors
    /// If the new file cannot be written. The old one is left as it is then.
    pub(crate) fn replace(&self, text: &str) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let new = self.path.with_file_name(format!(".{name}.{}.new", process::id()));
        let replaced = write(&new, text).and_then(|()| fs::rename(&new, &self.path));
        if replaced.is_err() {
            let _ = fs::remove_file(&new);
        }
        replaced
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    set_mode(&file)?;
    file.sync_all()
}

/// Lambda runs a function as another user than the owner of its files.
#[cfg(unix)]
fn set_mode(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_mode(_: &File) -> io::Result<()> {
    Ok(())
}
