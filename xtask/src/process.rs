//! A process with its children, and what they write.

use std::{
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::Error;

/// A running process. Dropping it ends it, with all of its children.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    reader: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts a command in a separate process group.
    pub(crate) fn start(name: &'static str, mut command: Command) -> Result<Self, Error> {
        let run = |source| Error::Run { command: name.to_owned(), source };
        let (output, input) = io::pipe().map_err(run)?;
        command.stdin(Stdio::null()).stdout(input.try_clone().map_err(run)?).stderr(input);
        command.process_group(0);
        let child = command.spawn().map_err(run)?;
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut all = Vec::new();
            loop {
                let start = all.len();
                // The end of what is written, or of the pipe, is the end of the log.
                if output.read_until(b'\n', &mut all).unwrap_or_default() == 0 {
                    return all;
                }
                let line = all.get(start..).unwrap_or_default();
                let _ = sender.send(String::from_utf8_lossy(line).into_owned());
            }
        });
        Ok(Self { name, child, lines, reader: Some(reader) })
    }

    /// Waits for a line in which something is found.
    pub(crate) fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
        let mut written = String::new();
        while let Ok(line) = self.lines.recv_timeout(STARTUP_TIMEOUT) {
            if let Some(found) = find(&line) {
                return Ok(found);
            }
            written.push_str(&line);
        }
        Err(Error::Check(format!("`{}` did not start:\n{written}", self.name)))
    }

    /// Ends the process, and returns what it and its children have written.
    pub(crate) fn stop(mut self, signal: Signal) -> Result<Vec<u8>, Error> {
        self.signal(signal);
        self.child.wait().map_err(|source| Error::Run { command: self.name.to_owned(), source })?;
        // Children that outlive it hold the pipe open.
        self.signal(Signal::KILL);
        Ok(self.reader.take().and_then(|reader| reader.join().ok()).unwrap_or_default())
    }

    fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.reader.is_some() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// How long a process has for its next line while it starts.
const STARTUP_TIMEOUT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start("sh", command).unwrap()
    }

    #[test]
    fn output_of_children_is_returned_and_all_are_ended() {
        let running = shell("echo one; echo two >&2; sh -c 'echo three; sleep 60' & wait");
        let found = running.wait_for(|line| line.strip_prefix("three").map(str::to_owned)).unwrap();
        assert_eq!(found, "\n");
        let written = running.stop(Signal::TERM).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "one\ntwo\nthree\n");
    }

    #[test]
    fn process_that_ends_early_is_an_error() {
        let error = shell("echo no").wait_for(|_| None::<()>).unwrap_err();
        assert_eq!(error.to_string(), "`sh` did not start:\nno\n");
    }
}
