//! Processes whose output is recorded for the audit of the logs.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

use local::recording::{Log, Recorder, recorder};

/// Commands that print the token that they were asked for. Their output is recorded as a token, not as a log.
const TOKEN_PRINTERS: [&str; 2] = ["event", "sign"];

/// Runs a process of this project to its end with this input, and records what it writes.
///
/// # Errors
/// When it cannot be started.
pub fn run(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    run_with(recorder(), command, input)
}

fn run_with(recorder: &Recorder, command: &mut Command, input: &[u8]) -> io::Result<Output> {
    command.envs(recorder.environment());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = name(command);
    let mut child = command.spawn()?;
    let (stdin, input) = (child.stdin.take(), input.to_owned());
    // A process may end before it has read everything, or write before it has.
    let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    recorder.log(&name).append(&output.stderr);
    if TOKEN_PRINTERS.iter().any(|printer| command.get_args().next() == Some(printer.as_ref())) {
        recorder.tokens(&output.stdout);
    } else {
        recorder.log(&name).append(&output.stdout);
    }
    Ok(output)
}

/// A reader of the output of a running process, which records what is read.
#[derive(Debug)]
pub struct Recorded<R> {
    stream: R,
    log: Log,
}

impl<R> Recorded<R> {
    /// Records to a new log of the process.
    pub fn new(process_name: &str, stream: R) -> Self {
        Self { stream, log: recorder().log(process_name) }
    }
}

impl<R: Read> Read for Recorded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.log.append(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// The program's name with its first argument, if that is a word.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let word = command.get_args().next().unwrap_or_default().to_string_lossy();
    let word: String = word.chars().take_while(char::is_ascii_lowercase).collect();
    format!("{}-{word}", program.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;
    use crate::log_audit::{AuditError, audit};

    #[test]
    fn output_of_processes_is_recorded() {
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
            let recorder = Recorder::new(Some(folder.clone()));
            recorder.log("other").append(b"a line\n");
            let mut command = Command::new(program);
            run_with(&recorder, command.args(arguments), input.as_bytes()).unwrap();
            recorder.tokens(token.as_bytes());
            let leaks = match audit(&folder) {
                Ok(_) => Some(0),
                Err(AuditError::Leaks(leaks)) => Some(leaks.len()),
                Err(_) => None,
            };
            assert_eq!(leaks, expected, "{name}");
            fs::remove_dir_all(&folder).unwrap();
        }

        // Read piece by piece, it is whole.
        fs::create_dir_all(&folder).unwrap();
        let recorder = Recorder::new(Some(folder.clone()));
        recorder.tokens(token.as_bytes());
        let mut kept = Recorded { stream: token.as_bytes(), log: recorder.log("pieces") };
        while kept.read(&mut [0; 7]).unwrap() > 0 {}
        assert!(matches!(audit(&folder), Err(AuditError::Leaks(leaks)) if leaks.len() == 1));
        fs::remove_dir_all(&folder).unwrap();
    }
}
