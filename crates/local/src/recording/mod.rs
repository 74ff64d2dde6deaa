//! Records the output of this project's processes, and the tokens and signatures that they handle. An audit of
//! the recorded logs then shows whether a log contains a secret.
//!
//! Nothing is recorded unless `COUNTERSIGN_RECORDINGS` names a folder. Tokens are recorded from the events and
//! responses of functions, signatures from the responses of KMS.

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

/// The environment variable that names the folder. Child processes receive it too.
pub const FOLDER_VARIABLE: &str = "COUNTERSIGN_RECORDINGS";
/// The extension of log files.
pub const LOG_EXTENSION: &str = "log";
/// The extension of files with tokens and signatures, one per line.
pub const SECRETS_EXTENSION: &str = "secrets";

static RECORDER: LazyLock<AuditRecorder> =
    LazyLock::new(|| AuditRecorder::new(env::var_os(FOLDER_VARIABLE).map(Into::into)));

/// The recorder of this process.
#[must_use]
pub fn recorder() -> &'static AuditRecorder {
    &RECORDER
}

/// Records logs, tokens and signatures in a folder.
#[derive(Debug)]
pub struct AuditRecorder {
    folder: Option<PathBuf>,
    /// The secrets that are recorded already.
    secrets: Mutex<HashSet<Vec<u8>>>,
    log_count: AtomicUsize,
}

impl AuditRecorder {
    /// A recorder that writes to this folder. Without a folder, it records nothing.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, secrets: Mutex::default(), log_count: AtomicUsize::new(0) }
    }

    /// Records every token in a text.
    pub fn record_tokens(&self, text: &[u8]) {
        if self.folder.is_some() {
            tokens::find(text).for_each(|token| self.record_secret(token));
        }
    }

    /// Records a signature.
    pub fn record_signature(&self, signature: &[u8]) {
        if self.folder.is_some() {
            self.record_secret(URL_SAFE_NO_PAD.encode(signature).as_bytes());
        }
    }

    /// A new log for one output stream of a process.
    #[must_use]
    pub fn log(&self, process_name: &str) -> RecordedLog {
        let number = self.log_count.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}-{process_name}.{LOG_EXTENSION}", process::id());
        RecordedLog { path: self.folder.as_ref().map(|folder| folder.join(name)), file: None }
    }

    /// The environment variable that makes a child process record in the same folder.
    #[must_use]
    pub fn environment(&self) -> Option<(&'static str, &Path)> {
        self.folder.as_deref().map(|folder| (FOLDER_VARIABLE, folder))
    }

    fn record_secret(&self, secret: &[u8]) {
        let Some(folder) = &self.folder else { return };
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if !secrets.insert(secret.to_owned()) {
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
pub struct RecordedLog {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl RecordedLog {
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

/// Reports that a file cannot be written. What is not recorded cannot be audited.
fn warn(path: &Path, error: &io::Error) {
    eprintln!("{}: {error}", path.display());
}
