//! What a test run leaves behind, to show that no log holds a secret: every byte that a process of
//! this project wrote, and every token and signature that was in use.
//!
//! Kept only where `COUNTERSIGN_EVIDENCE` names a folder that is there. Everything that starts a
//! function or the command line in a test goes through here; tokens are seen on their way to and from
//! the functions, signatures where KMS makes them. [`search`] then looks for the ones in the others.

mod search;
mod tokens;

use std::{
    collections::HashSet,
    env,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{self, Command, Output, Stdio},
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

pub use self::search::{Cleared, Leak, SearchError, search};

/// Names the folder. Processes that are started here are given it too.
pub const VARIABLE: &str = "COUNTERSIGN_EVIDENCE";

/// Commands that print the token that they were asked for. It is kept as a token, not as a log.
const TOKEN_PRINTERS: [&str; 2] = ["event", "sign"];

static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::var_os(VARIABLE).map(Into::into));
static KNOWN: LazyLock<Mutex<HashSet<Vec<u8>>>> = LazyLock::new(Mutex::default);
static LOGS: AtomicUsize = AtomicUsize::new(0);

/// Keeps every token in what is on its way to a function or from it.
pub fn tokens(text: &[u8]) {
    if let Some(folder) = &*FOLDER {
        tokens_in(folder, text);
    }
}

/// Keeps a signature.
pub fn signature(signature: &[u8]) {
    if let Some(folder) = &*FOLDER {
        secret(folder, URL_SAFE_NO_PAD.encode(signature).as_bytes());
    }
}

/// Runs a process of this project to its end with this input, and keeps what it writes.
///
/// # Errors
/// When it cannot be started.
pub fn run(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    run_for(FOLDER.as_deref(), command, input)
}

fn run_for(folder: Option<&Path>, command: &mut Command, input: &[u8]) -> io::Result<Output> {
    command.envs(environment()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = name(command);
    let mut child = command.spawn()?;
    let (stdin, input) = (child.stdin.take(), input.to_owned());
    // Who refuses early does not read to the end, and who writes early is not kept waiting.
    let fed = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let output = child.wait_with_output()?;
    let _ = fed.join();
    Log::within(folder, &name).keep(&output.stderr);
    if !TOKEN_PRINTERS.iter().any(|printer| command.get_args().next() == Some(printer.as_ref())) {
        Log::within(folder, &name).keep(&output.stdout);
    } else if let Some(folder) = folder {
        tokens_in(folder, &output.stdout);
    }
    Ok(output)
}

/// What a process needs in its environment to keep what its own children write.
pub fn environment() -> Option<(&'static str, &'static Path)> {
    FOLDER.as_deref().map(|folder| (VARIABLE, folder))
}

/// What one process writes to one stream.
#[derive(Debug)]
pub struct Log {
    place: Option<PathBuf>,
    file: Option<File>,
}

impl Log {
    /// Nothing as yet.
    #[must_use]
    pub fn new(writer: &str) -> Self {
        Self::within(FOLDER.as_deref(), writer)
    }

    fn within(folder: Option<&Path>, writer: &str) -> Self {
        let number = LOGS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}-{writer}.{LOG}", process::id());
        Self { place: folder.map(|folder| folder.join(name)), file: None }
    }

    /// Keeps what comes next.
    pub fn keep(&mut self, bytes: &[u8]) {
        let Some(place) = self.place.as_ref().filter(|_| !bytes.is_empty()) else { return };
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => OpenOptions::new().append(true).create_new(true).open(place),
        };
        let kept = file.and_then(|mut file| file.write_all(bytes).map(|()| file));
        match kept {
            Ok(file) => self.file = Some(file),
            Err(error) => complain(place, &error),
        }
    }
}

/// What is read through this is kept.
#[derive(Debug)]
pub struct Kept<R> {
    stream: R,
    log: Log,
}

impl<R> Kept<R> {
    /// A stream of a process that goes on while it is read.
    pub fn new(writer: &str, stream: R) -> Self {
        Self { stream, log: Log::new(writer) }
    }
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.log.keep(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

fn tokens_in(folder: &Path, text: &[u8]) {
    tokens::within(text).for_each(|token| secret(folder, token));
}

fn secret(folder: &Path, secret: &[u8]) {
    if !KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned()) {
        return;
    }
    let place = folder.join(format!("{}.{SECRETS}", process::id()));
    let line = [secret, b"\n"].concat();
    let file = OpenOptions::new().append(true).create(true).open(&place);
    if let Err(error) = file.and_then(|mut file| file.write_all(&line)) {
        complain(&place, &error);
    }
}

/// The program's name with its first argument, if that is a word.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let word = command.get_args().next().unwrap_or_default().to_string_lossy();
    let word: String = word.chars().take_while(char::is_ascii_lowercase).collect();
    format!("{}-{word}", program.to_string_lossy())
}

/// What is not kept cannot be searched: whoever reads this must know.
fn complain(place: &Path, error: &io::Error) {
    eprintln!("{}: {error}", place.display());
}

const LOG: &str = "log";
const SECRETS: &str = "secrets";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What becomes of a token on its way through a process.
    #[test]
    fn what_processes_write_is_kept() {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZXN0LXVzZXIifQ.c2lnbmF0dXJlc2lnbmF0dXJl";
        let folder = env::temp_dir().join(format!("countersign-kept-{}", process::id()));
        let shell = |script: &'static str| vec!["-c", script, "sh", token];
        let rows = [
            ("quiet", "sh", shell("cat"), "", Some(0)),
            ("on its output", "sh", shell("cat"), token, Some(1)),
            ("as an error", "sh", shell("echo $1 >&2"), "", Some(1)),
            ("in both", "sh", shell("echo $1; echo $1 >&2"), "", Some(2)),
            ("a token that was asked for", "echo", vec!["sign", token], "", Some(0)),
            ("a token that was not", "echo", vec!["verify", token], "", Some(1)),
            ("nothing is read", "true", vec!["sh"], token, Some(0)),
        ];
        for (name, program, arguments, input, expected) in rows {
            fs::create_dir_all(&folder).unwrap();
            KNOWN.lock().unwrap().clear();
            Log::within(Some(&folder), "other").keep(b"a line\n");
            let mut command = Command::new(program);
            run_for(Some(&folder), command.args(arguments), input.as_bytes()).unwrap();
            tokens_in(&folder, token.as_bytes());
            let leaks = match search(&folder) {
                Ok(_) => Some(0),
                Err(SearchError::Leaks(leaks)) => Some(leaks.len()),
                Err(_) => None,
            };
            assert_eq!(leaks, expected, "{name}");
            fs::remove_dir_all(&folder).unwrap();
        }

        // Read piece by piece, it is whole.
        fs::create_dir_all(&folder).unwrap();
        KNOWN.lock().unwrap().clear();
        secret(&folder, token.as_bytes());
        let log = Log::within(Some(&folder), "pieces");
        let mut kept = Kept { stream: token.as_bytes(), log };
        while kept.read(&mut [0; 7]).unwrap() > 0 {}
        assert!(matches!(search(&folder), Err(SearchError::Leaks(leaks)) if leaks.len() == 1));
        fs::remove_dir_all(&folder).unwrap();
    }
}
