//! Records the output of processes for the audit of logs.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

use local::recording::{AuditRecorder, RecordedLog, recorder};

/// Commands whose output is a token by design. It is recorded as a secret, not as a log.
const TOKEN_PRINTERS: [&str; 2] = ["event", "sign"];

/// Runs a process with this input until it ends, and records its output.
///
/// # Errors
/// If the process cannot be started.
pub fn run_recorded(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    run_with(recorder(), command, input)
}

fn run_with(recorder: &AuditRecorder, command: &mut Command, input: &[u8]) -> io::Result<Output> {
    command.envs(recorder.environment());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = process_name(command);
    let mut child = command.spawn()?;
    let (stdin, input) = (child.stdin.take(), input.to_owned());
    // In a thread, as a process can write before it has read everything. An error means that it ended first.
    let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    recorder.log(&name).append(&output.stderr);
    if TOKEN_PRINTERS.iter().any(|printer| command.get_args().next() == Some(printer.as_ref())) {
        recorder.record_tokens(&output.stdout);
    } else {
        recorder.log(&name).append(&output.stdout);
    }
    Ok(output)
}

/// Reads an output stream of a running process and records it.
#[derive(Debug)]
pub struct RecordingReader<R> {
    stream: R,
    log: RecordedLog,
}

impl<R> RecordingReader<R> {
    /// A reader that records to a new log of the process.
    pub fn new(process_name: &str, stream: R) -> Self {
        Self { stream, log: recorder().log(process_name) }
    }
}

impl<R: Read> Read for RecordingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.log.append(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// The name of the program, with the command if the first argument is one.
fn process_name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let command = command.get_args().next().unwrap_or_default().to_string_lossy();
    let command: String = command.chars().take_while(char::is_ascii_lowercase).collect();
    format!("{}-{command}", program.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;
    use crate::log_audit::{AuditError, audit};

    #[test]
    fn output_of_processes_is_recorded() {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZXN0LXVzZXIifQ.c2lnbmF0dXJlc2lnbmF0dXJl";
        let folder = env::temp_dir().join(format!("countersign-recorded-{}", process::id()));
        let shell = |script: &'static str| vec!["-c", script, "sh", token];
        let rows = [
            ("no output", "sh", shell("cat"), "", Some(0)),
            ("on standard output", "sh", shell("cat"), token, Some(1)),
            ("on standard error", "sh", shell("echo $1 >&2"), "", Some(1)),
            ("on both", "sh", shell("echo $1; echo $1 >&2"), "", Some(2)),
            ("output of a command that prints tokens", "echo", vec!["sign", token], "", Some(0)),
            ("output of another command", "echo", vec!["verify", token], "", Some(1)),
            ("unread input", "true", vec!["sh"], token, Some(0)),
        ];
        for (name, program, arguments, input, expected) in rows {
            fs::create_dir_all(&folder).unwrap();
            let recorder = AuditRecorder::new(Some(folder.clone()));
            recorder.log("other").append(b"a line\n");
            let mut command = Command::new(program);
            run_with(&recorder, command.args(arguments), input.as_bytes()).unwrap();
            recorder.record_tokens(token.as_bytes());
            let leaks = match audit(&folder) {
                Ok(_) => Some(0),
                Err(AuditError::Leaks(leaks)) => Some(leaks.len()),
                Err(_) => None,
            };
            assert_eq!(leaks, expected, "{name}");
            fs::remove_dir_all(&folder).unwrap();
        }

        // A token that is read in pieces is found.
        fs::create_dir_all(&folder).unwrap();
        let recorder = AuditRecorder::new(Some(folder.clone()));
        recorder.record_tokens(token.as_bytes());
        let mut reader = RecordingReader { stream: token.as_bytes(), log: recorder.log("pieces") };
        while reader.read(&mut [0; 7]).unwrap() > 0 {}
        assert!(matches!(audit(&folder), Err(AuditError::Leaks(leaks)) if leaks.len() == 1));
        fs::remove_dir_all(&folder).unwrap();
    }
}
