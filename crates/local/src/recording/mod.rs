//! Records what processes of this project write and which tokens and signatures they handle, so that a test
//! run can show that no log holds a secret.
//!
//! Nothing is recorded unless `COUNTERSIGN_EVIDENCE` names a folder. Tokens are recorded on their way to and from
//! functions, signatures where KMS makes them.

mod tokens;

use std::{
    collections::HashSet,
    env,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The environment variable that names the folder. Child processes are given it too.
pub const VARIABLE: &str = "COUNTERSIGN_EVIDENCE";
/// The extension of files with logs.
pub const LOG_EXTENSION: &str = "log";
/// The extension of files with tokens and signatures, one a line.
pub const SECRETS_EXTENSION: &str = "secrets";

static RECORDER: LazyLock<Recorder> =
    LazyLock::new(|| Recorder::new(env::var_os(VARIABLE).map(Into::into)));

/// The recorder of this process.
#[must_use]
pub fn recorder() -> &'static Recorder {
    &RECORDER
}

/// Writes logs, tokens and signatures to a folder.
#[derive(Debug)]
pub struct Recorder {
    folder: Option<PathBuf>,
    /// The secrets that have been written.
    known: Mutex<HashSet<Vec<u8>>>,
    logs: AtomicUsize,
}

impl Recorder {
    /// Records to this folder, or nothing.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, known: Mutex::default(), logs: AtomicUsize::new(0) }
    }

    /// Records every token in a text.
    pub fn tokens(&self, text: &[u8]) {
        if self.folder.is_some() {
            tokens::within(text).for_each(|token| self.secret(token));
        }
    }

    /// Records a signature.
    pub fn signature(&self, signature: &[u8]) {
        if self.folder.is_some() {
            self.secret(URL_SAFE_NO_PAD.encode(signature).as_bytes());
        }
    }

    /// A new log of one output stream of this process.
    #[must_use]
    pub fn log(&self, process_name: &str) -> Log {
        let number = self.logs.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}-{process_name}.{LOG_EXTENSION}", process::id());
        Log { path: self.folder.as_ref().map(|folder| folder.join(name)), file: None }
    }

    /// The environment variable with which a child process records to the same folder.
    #[must_use]
    pub fn environment(&self) -> Option<(&'static str, &Path)> {
        self.folder.as_deref().map(|folder| (VARIABLE, folder))
    }

    fn secret(&self, secret: &[u8]) {
        let Some(folder) = &self.folder else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.insert(secret.to_owned()) {
            return;
        }
        let path = folder.join(format!("{}.{SECRETS_EXTENSION}", process::id()));
        let line = [secret, b"\n"].concat();
        let file = OpenOptions::new().append(true).create(true).open(&path);
        if let Err(error) = file.and_then(|mut file| file.write_all(&line)) {
            warn(&path, &error);
        }
    }
}

/// The log of one output stream of a process.
#[derive(Debug)]
pub struct Log {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Log {
    /// Appends to the log.
    pub fn append(&mut self, bytes: &[u8]) {
        let Some(path) = self.path.as_ref().filter(|_| !bytes.is_empty()) else { return };
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => OpenOptions::new().append(true).create_new(true).open(path),
        };
        match file.and_then(|mut file| file.write_all(bytes).map(|()| file)) {
            Ok(file) => self.file = Some(file),
            Err(error) => warn(path, &error),
        }
    }
}

/// What is not recorded cannot be audited.
fn warn(path: &Path, error: &io::Error) {
    eprintln!("{}: {error}", path.display());
}
