use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use local::{
    evidence::{self, Kept},
    kms::Disturbance,
};
use serde_json::{Value, json};

use crate::stack::{Stack, bearer, environment};

/// Lambda Managed Instances hand out several requests at once to one environment.
#[tokio::test]
async fn many_requests_at_once_in_one_environment() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({}));
    for (at_once, expected) in [(4, 4), (1, 1)] {
        let events = (0..8).map(|at| if at % 2 == 0 { bearer(&good) } else { bearer("x.y.z") });
        let runtime = Runtime::start(events.collect());
        let endpoint = format!("http://{}", stack.kms.address());
        stack.kms.disturb(Some(Disturbance::Late(Duration::from_millis(200))));
        let mut child = Running::start(&runtime.address, &endpoint, at_once);
        let log = runtime.after(8).await;
        stack.kms.disturb(None);
        child.child.kill().unwrap();
        // Those that KMS was not asked about are over at once; of the others, as many wait for it.
        let mut waiting = BTreeSet::new();
        let mut most = 0;
        for entry in &log {
            let (what, id) = entry.split_once(' ').unwrap();
            match what {
                "next" => _ = waiting.insert(id),
                "response" if id.parse::<u8>().unwrap() % 2 == 0 => _ = waiting.remove(id),
                "error" if id.parse::<u8>().unwrap() % 2 == 1 => _ = waiting.remove(id),
                _ => panic!("{log:?}"),
            }
            most = most.max(waiting.len());
        }
        assert_eq!(most, expected, "{log:?}");
    }
}

/// A start that KMS makes slow is part of what every request waits for that was there from its
/// beginning, and of no other's time.
#[tokio::test]
async fn a_start_counts_for_those_who_wait_for_it() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let good = stack.good(&json!({}));
    stack.kms.disturb(Some(Disturbance::Silence));
    let endpoint = format!("http://{}", stack.kms.address());
    let runtime = Runtime::start(vec![bearer(&good), bearer(&good)]);
    let ahead = Runtime::start(Vec::new());
    let start = Instant::now();
    let _running = [&runtime, &ahead].map(|it| Running::start(&it.address, &endpoint, 2));
    let log = runtime.after(2).await;
    let took = start.elapsed();
    assert!(log.iter().filter(|entry| entry.starts_with("error")).count() == 2, "{log:?}");
    assert!(took < Duration::from_secs(5), "both within what a caller waits: {took:?}");
    // That the other one has started long before its first request comes is what this waits for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    ahead.give(bearer(&good));
    ahead.after(1).await;
    let took = start.elapsed();
    assert!(took > Duration::from_secs(3), "it has its whole time: {took:?}");
    assert!(took < Duration::from_secs(5), "and no more: {took:?}");
}

/// The function's process, which ends with the test.
struct Running {
    child: Child,
    /// Who reads its log, to the end.
    log: Option<JoinHandle<()>>,
}

impl Running {
    fn start(runtime: &str, endpoint: &str, at_once: u32) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_authorizer"))
            .env_clear()
            .envs(environment(endpoint))
            .env("AWS_LAMBDA_RUNTIME_API", runtime)
            .env("AWS_LAMBDA_FUNCTION_NAME", "Authorizer")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_MAX_CONCURRENCY", at_once.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Kept::new("authorizer", child.stdout.take().unwrap());
        let log = thread::spawn(move || io::read_to_string(log).map(drop).unwrap());
        Self { child, log: Some(log) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.log.take().map(JoinHandle::join);
    }
}

/// A Runtime API that gives out its events to whoever asks, and notes what comes.
struct Runtime {
    address: String,
    state: Arc<Mutex<State>>,
}

struct State {
    events: Vec<(usize, Value)>,
    log: Vec<String>,
}

impl Runtime {
    fn start(events: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let events = events.into_iter().enumerate().rev().collect();
        let state = Arc::new(Mutex::new(State { events, log: Vec::new() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Self { address, state }
    }

    /// One more event, for whoever waits for it.
    fn give(&self, event: Value) {
        self.state.lock().unwrap().events.push((0, event));
    }

    /// The log once there are so many answers in it.
    async fn after(&self, answers: usize) -> Vec<String> {
        for _ in 0..1000 {
            let log = self.state.lock().unwrap().log.clone();
            if log.iter().filter(|entry| !entry.starts_with("next")).count() == answers {
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
        let answer = if path.ends_with("/next") {
            let (at, event) = next(state);
            let event = event.to_string();
            evidence::tokens(event.as_bytes());
            let head = [
                "HTTP/1.1 200 OK".to_owned(),
                format!("lambda-runtime-aws-request-id: {at}"),
                "lambda-runtime-deadline-ms: 99999999999999".to_owned(),
                "lambda-runtime-invoked-function-arn: arn".to_owned(),
                format!("content-length: {}", event.len()),
            ];
            format!("{}\r\n\r\n{event}", head.join("\r\n"))
        } else {
            let mut parts = path.rsplit('/');
            let (what, id) = (parts.next().unwrap(), parts.next().unwrap());
            state.lock().unwrap().log.push(format!("{what} {id}"));
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next event, once there is one.
fn next(state: &Mutex<State>) -> (usize, Value) {
    loop {
        let mut held = state.lock().unwrap();
        if let Some((at, event)) = held.events.pop() {
            held.log.push(format!("next {at}"));
            return (at, event);
        }
        drop(held);
        thread::park_timeout(Duration::from_millis(10));
    }
}
