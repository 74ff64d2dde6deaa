//! A minimal Lambda host, so that the function dominates the measurements. It runs in one thread and starts the clock
//! immediately before it writes an event.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use crate::cpu_quota::CpuQuota;

/// The command that starts a function.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// A process that runs a function, and its Runtime API.
pub struct FunctionProcess {
    child: Child,
    events: mpsc::UnboundedReceiver<HostEvent>,
    /// The connections on which the function waits for an event.
    waiting: Vec<mpsc::UnboundedSender<Vec<u8>>>,
    responses: HashMap<u64, (Instant, bool)>,
    invocations: u64,
}

/// A request of the function to the Runtime API.
enum HostEvent {
    Next(mpsc::UnboundedSender<Vec<u8>>),
    Response { id: u64, at: Instant, is_success: bool, body: Vec<u8> },
    Closed,
}

impl FunctionProcess {
    /// Starts the process and returns the time of the start.
    pub async fn start(program: &Program) -> io::Result<(Self, Instant)> {
        let mut command = Command::new(&program.path);
        command.stdin(Stdio::null());
        let started = Instant::now();
        Ok((Self::spawn(command, program).await?, started))
    }

    /// Like [`Self::start`], in a control group without a limit. A shell is moved to the group and then becomes the
    /// program, because the move can take longer than the start that is measured.
    pub async fn start_in_group(program: &Program) -> io::Result<(Self, Instant, CpuQuota)> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"read -r _ && exec "$0" "$@" < /dev/null"#]).arg(&program.path);
        command.stdin(Stdio::piped());
        let mut process = Self::spawn(command, program).await?;
        let quota = CpuQuota::new(process.id())?;
        let mut input = process.child.stdin.take().ok_or_else(connection_closed)?;
        let started = Instant::now();
        input.write_all(b"\n")?;
        Ok((process, started, quota))
    }

    async fn spawn(mut command: Command, program: &Program) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        command
            .args(&program.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("_HANDLER", "bootstrap")
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null());
        let child = command.spawn()?;
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    if serve(stream, &sender).await.is_err() {
                        let _ = sender.send(HostEvent::Closed);
                    }
                });
            }
        });
        let (waiting, responses) = (Vec::new(), HashMap::new());
        Ok(Self { child, events, waiting, responses, invocations: 0 })
    }

    /// Invokes the function with all events concurrently. Returns the time until the last response, and its body.
    pub async fn invoke(&mut self, events: &[Vec<u8>]) -> io::Result<(Duration, Vec<u8>)> {
        let (sent, last, body) = self.exchange(events).await?;
        Ok((last - sent, body))
    }

    /// Like [`Self::invoke`], but returns the time before the first event and the time of the last response.
    pub async fn exchange(
        &mut self,
        events: &[Vec<u8>],
    ) -> io::Result<(Instant, Instant, Vec<u8>)> {
        while self.waiting.len() < events.len() {
            self.receive().await?;
        }
        let sent = Instant::now();
        for event in events {
            let id = self.invocations;
            self.invocations += 1;
            let Some(waiting) = self.waiting.pop() else { return Err(connection_closed()) };
            let mut message = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                 Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-{id:012}\r\n\
                 Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n\
                 Lambda-Runtime-Trace-Id: Root=1-65a1b2c3-{id:024};Sampled=0\r\n\
                 Content-Length: {}\r\n\r\n",
                event.len()
            )
            .into_bytes();
            message.extend_from_slice(event);
            waiting.send(message).map_err(|_| connection_closed())?;
        }
        let first = self.invocations - events.len() as u64;
        let mut last = (sent, Vec::new());
        while self.responses.len() < events.len() {
            if let Some((at, body)) = self.receive().await? {
                last = (at, body);
            }
        }
        for id in first..self.invocations {
            match self.responses.remove(&id) {
                Some((_, true)) => {}
                _ => {
                    let body = String::from_utf8_lossy(&last.1);
                    return Err(io::Error::other(format!("the function failed: {body}")));
                }
            }
        }
        Ok((sent, last.0, last.1))
    }

    /// Handles one request of the function. Returns the time and body of a response.
    async fn receive(&mut self) -> io::Result<Option<(Instant, Vec<u8>)>> {
        match timeout(RESPONSE_TIMEOUT, self.events.recv()).await? {
            Some(HostEvent::Next(connection)) => self.waiting.push(connection),
            Some(HostEvent::Response { id, at, is_success, body }) => {
                self.responses.insert(id, (at, is_success));
                return Ok(Some((at, body)));
            }
            Some(HostEvent::Closed) if matches!(self.child.try_wait(), Ok(None)) => {}
            Some(HostEvent::Closed) | None => return Err(connection_closed()),
        }
        Ok(None)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the function asks for its first event.
    pub async fn ready(&mut self) -> io::Result<Instant> {
        while self.waiting.is_empty() {
            self.receive().await?;
        }
        Ok(Instant::now())
    }

    /// Terminates the process and waits until it has ended.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }

    /// The CPU time of all threads of the process so far.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(self.proc().join("task"))? {
            let line = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = line.split(' ').next().unwrap_or_default();
            nanoseconds += first.parse::<u64>().map_err(io::Error::other)?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The maximum of resident memory in bytes.
    pub fn peak(&self) -> io::Result<u64> {
        let status = fs::read_to_string(self.proc().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kilobytes
            .map(|kilobytes: u64| kilobytes * 1024)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string())
    }
}

impl Drop for FunctionProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the requests of one connection.
async fn serve(mut stream: TcpStream, sender: &mpsc::UnboundedSender<HostEvent>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(64 * 1024);
    let (event_sender, mut events) = mpsc::unbounded_channel();
    loop {
        let Some((method, path, body, used)) = parse_request(&input)? else {
            if stream.read_buf(&mut input).await? == 0 {
                return Err(connection_closed());
            }
            continue;
        };
        if method == "GET" {
            sender.send(HostEvent::Next(event_sender.clone())).map_err(|_| connection_closed())?;
            let message: Vec<u8> = events.recv().await.ok_or_else(connection_closed)?;
            stream.write_all(&message).await?;
        } else {
            let at = Instant::now();
            let is_success = path.ends_with("/response") && !is_refused(&body);
            let rest = path.rsplit_once('/');
            let id = rest.and_then(|(start, _)| start.rsplit('-').next()?.parse().ok());
            let id = id.unwrap_or(u64::MAX);
            sender
                .send(HostEvent::Response { id, at, is_success, body })
                .map_err(|_| connection_closed())?;
            stream.write_all(ACCEPTED).await?;
        }
        input.drain(..used);
    }
}

/// Whether the response to an event of API Gateway has another status than 200.
fn is_refused(body: &[u8]) -> bool {
    let mut parts = body.windows(STATUS.len()).zip(STATUS.len()..);
    let status = parts.find_map(|(part, end)| (part == STATUS).then(|| body.get(end..end + 3)));
    status.is_some_and(|status| status != Some(b"200"))
}

/// Method, path, body, and the length of the request in the buffer.
type ParsedRequest = (String, String, Vec<u8>, usize);

/// Parses the first request in the buffer, if it is complete.
fn parse_request(input: &[u8]) -> io::Result<Option<ParsedRequest>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(input).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let header = |name: &str| head.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
    let (method, path) = (head.method.unwrap_or_default(), head.path.unwrap_or_default());
    let body = if header("transfer-encoding").is_some() {
        decode_chunks(&input[start..])?
    } else {
        let length =
            header("content-length").and_then(|h| str::from_utf8(h.value).ok()?.parse().ok());
        let length: usize = length.unwrap_or_default();
        input.get(start..start + length).map(|body| (body.to_vec(), length))
    };
    Ok(body.map(|(body, used)| (method.to_owned(), path.to_owned(), body, start + used)))
}

/// Decodes a chunked body, if it is complete, and returns its encoded length.
fn decode_chunks(input: &[u8]) -> io::Result<Option<(Vec<u8>, usize)>> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let status = httparse::parse_chunk_size(&input[at..]);
        let status = status.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let httparse::Status::Complete((head, size)) = status else { return Ok(None) };
        let (start, end) = (at + head, at + head + size as usize);
        let Some(chunk) = input.get(start..end) else { return Ok(None) };
        body.extend_from_slice(chunk);
        at = end + 2;
        if at > input.len() {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn connection_closed() -> io::Error {
    io::Error::other("the function closed its connections")
}

const STATUS: &[u8] = br#""statusCode":"#;
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
const ACCEPTED: &[u8] =
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_of_an_api_with_an_error_is_a_failure() {
        let rows = [
            (r#"{"statusCode":200,"body":"{}"}"#, false),
            (r#"{"headers":{},"statusCode":400}"#, true),
            (r#"{"statusCode":2"#, true),
            (r#"{"principalId":"test-user"}"#, false),
            ("", false),
        ];
        let failed =
            rows.iter().filter(|(body, expected)| is_refused(body.as_bytes()) != *expected);
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    }
}
