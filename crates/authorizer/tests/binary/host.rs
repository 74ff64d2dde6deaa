//! A Lambda host for one process of the function. The test controls the Runtime API.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use local::recording::recorder;
use serde_json::Value;
use testing::RecordingReader;

use crate::stack::environment;

/// A process of the function. It is killed when the test drops it.
pub(crate) struct FunctionProcess {
    pub(crate) child: Child,
    /// The thread that reads the process's log to the end.
    log: Option<JoinHandle<()>>,
}

impl FunctionProcess {
    pub(crate) fn start(runtime: &str, endpoint: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_authorizer"))
            .env_clear()
            .envs(environment(endpoint))
            .env("AWS_LAMBDA_RUNTIME_API", runtime)
            .env("AWS_LAMBDA_FUNCTION_NAME", "Authorizer")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = RecordingReader::new("authorizer", child.stdout.take().unwrap());
        let log = thread::spawn(move || io::read_to_string(log).map(drop).unwrap());
        Self { child, log: Some(log) }
    }

    /// Waits until the process ends by itself. Returns its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        for _ in 0..500 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the process has not ended")
    }
}

impl Drop for FunctionProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.log.take().map(JoinHandle::join);
    }
}

/// A Runtime API that serves the given events and records what it receives.
pub(crate) struct RuntimeApi {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

struct State {
    events: Vec<(usize, Vec<u8>)>,
    /// `next 0`, `response 0`, `error 0`, `error init`.
    log: Vec<String>,
    /// The bodies of responses and errors.
    bodies: Vec<String>,
    deadline: u64,
}

impl RuntimeApi {
    pub(crate) fn start(events: &[Value]) -> Self {
        Self::of_bytes(events.iter().map(|event| event.to_string().into_bytes()).collect())
    }

    pub(crate) fn of_bytes(events: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let events = events.into_iter().enumerate().rev().collect();
        let state = Arc::new(Mutex::new(State {
            events,
            log: Vec::new(),
            bodies: Vec::new(),
            deadline: 99_999_999_999_999,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Self { address, state }
    }

    pub(crate) fn add(&self, event: &Value) {
        self.state.lock().unwrap().events.push((0, event.to_string().into_bytes()));
    }

    /// The deadline of the following events, in Unix milliseconds.
    pub(crate) fn set_deadline(&self, deadline: u64) {
        self.state.lock().unwrap().deadline = deadline;
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.state.lock().unwrap().bodies.clone()
    }

    /// Waits until the log has this number of responses and errors. Returns the log.
    pub(crate) async fn log_after(&self, count: usize) -> Vec<String> {
        for _ in 0..1000 {
            let log = self.state.lock().unwrap().log.clone();
            if log.iter().filter(|entry| !entry.starts_with("next")).count() == count {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", self.state.lock().unwrap().log);
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if path.is_empty() {
                line.split(' ').nth(1).unwrap().clone_into(&mut path);
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let response = if path.ends_with("/next") {
            let (at, event) = next_event(state);
            recorder().record_tokens(&event);
            let head = [
                "HTTP/1.1 200 OK".to_owned(),
                format!("lambda-runtime-aws-request-id: {at}"),
                format!("lambda-runtime-deadline-ms: {}", state.lock().unwrap().deadline),
                "lambda-runtime-invoked-function-arn: arn".to_owned(),
                format!("content-length: {}", event.len()),
            ];
            [format!("{}\r\n\r\n", head.join("\r\n")).into_bytes(), event].concat()
        } else {
            let mut parts = path.rsplit('/');
            let (action, id) = (parts.next().unwrap(), parts.next().unwrap());
            let mut state = state.lock().unwrap();
            state.log.push(format!("{action} {id}"));
            state.bodies.push(String::from_utf8(body).unwrap());
            b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_vec()
        };
        if stream.write_all(&response).is_err() {
            return;
        }
    }
}

/// Waits for an event.
fn next_event(state: &Mutex<State>) -> (usize, Vec<u8>) {
    loop {
        let mut guard = state.lock().unwrap();
        if let Some((at, event)) = guard.events.pop() {
            guard.log.push(format!("next {at}"));
            return (at, event);
        }
        drop(guard);
        thread::park_timeout(Duration::from_millis(10));
    }
}
