use std::{io, process::Stdio, sync::Arc, time::Duration};

use hyper::body::Bytes;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::{mpsc, oneshot},
    time::timeout,
};
use uuid::Uuid;

use super::{
    Configuration, FunctionError, Journal, Line,
    runtime_api::{RuntimeApi, Work},
};
use crate::{http::Server, kms::ACCOUNT, recording::recorder};

/// A process that runs a function, and the Runtime API that it talks to. Both end when it is
/// dropped.
#[derive(Debug)]
pub(super) struct Environment {
    child: Child,
    queue: mpsc::Sender<Work>,
    api: Arc<RuntimeApi>,
    /// Whether the process is known to wait for an event.
    is_idle: bool,
    _server: Server,
}

impl Environment {
    /// Starts the process, and waits until it asks for work.
    pub(super) async fn start(
        mut command: Command,
        configuration: &Configuration,
        journal: &Journal,
    ) -> Result<Self, FunctionError> {
        let name = &configuration.name;
        let (queue, work) = mpsc::channel(1);
        let region = &configuration.region;
        let arn = format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}");
        let api = Arc::new(RuntimeApi::new(work, arn));
        let (server, mut child) =
            launch(&mut command, configuration, &api).await.map_err(|error| {
                FunctionError::fatal("Runtime.InvalidEntrypoint", error.to_string())
            })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let out = tokio::spawn(log(out, name.clone(), journal.clone()));
        let err = tokio::spawn(log(err, name.clone(), journal.clone()));
        let runtime_api = Arc::clone(&api);
        tokio::select! {
            () = runtime_api.ready() => {
                Ok(Self { child, queue, api, is_idle: true, _server: server })
            }
            status = child.wait() => {
                // Its last words are in the journal before anybody looks for them there.
                let _ = timeout(LAST_WORDS, async { tokio::join!(out, err) }).await;
                Err(api.init_error().unwrap_or_else(|| ended(status)))
            }
            () = tokio::time::sleep(INIT) => {
                Err(FunctionError::fatal("Sandbox.Timedout", "the function did not start in time"))
            }
        }
    }

    /// This environment once its process asks for the next event, as Lambda reuses no other.
    pub(super) async fn ready(mut self) -> Option<Self> {
        let is_ready = if self.is_idle {
            matches!(self.child.try_wait(), Ok(None))
        } else {
            tokio::select! {
                () = self.api.ready() => true,
                _ = self.child.wait() => false,
            }
        };
        is_ready.then_some(self)
    }

    pub(super) async fn invoke(
        &mut self,
        id: Uuid,
        event: Bytes,
        limit: Duration,
    ) -> Result<Value, FunctionError> {
        recorder().tokens(&event);
        self.is_idle = false;
        let (reply, answer) = oneshot::channel();
        let work = Work { id, event, timeout: limit, reply };
        self.queue.send(work).await.map_err(|_| FunctionError::gone())?;
        let answer = tokio::select! {
            answer = timeout(limit, answer) => answer,
            status = self.child.wait() => return Err(ended(status)),
        };
        let answer = answer.map_err(|_| {
            let seconds = limit.as_secs_f64();
            FunctionError::fatal(
                "Sandbox.Timedout",
                format!("Task timed out after {seconds:.2} seconds"),
            )
        })?;
        let body = answer.map_err(|_| FunctionError::gone())??;
        recorder().tokens(&body);
        // Read without serde_json's own value type, for which some member names are commands.
        jwt::json::object(&body).map(Value::Object).map_err(|_| {
            FunctionError::fatal("Runtime.InvalidResponse", "the answer is not a JSON object")
        })
    }
}

async fn launch(
    command: &mut Command,
    configuration: &Configuration,
    api: &Arc<RuntimeApi>,
) -> io::Result<(Server, Child)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let shared = Arc::clone(api);
    let server = Server::start(listener, MAX_BYTES, move |request| {
        let api = Arc::clone(&shared);
        async move { api.answer(request).await }
    })?;
    let name = &configuration.name;
    let child = command
        .env_clear()
        .envs(configuration.environment.iter().map(|(name, value)| (name, value)))
        .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", configuration.memory.to_string())
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", Uuid::new_v4().to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("_HANDLER", "bootstrap")
        .env("TZ", ":UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    Ok((server, child))
}

fn ended(status: io::Result<std::process::ExitStatus>) -> FunctionError {
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    FunctionError::fatal("Runtime.ExitError", format!("Runtime exited: {status}"))
}

async fn log(output: Option<impl AsyncRead + Unpin>, function: String, journal: Journal) {
    let Some(output) = output else { return };
    let (mut output, mut recorded) = (BufReader::new(output), recorder().log(&function));
    loop {
        let mut line = Vec::new();
        match output.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => recorded.append(&line),
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = String::from_utf8_lossy(text).into_owned();
        journal.write(Line { function: function.clone(), text });
    }
}

/// Lambda gives the init phase this long.
const INIT: Duration = Duration::from_secs(10);
/// A process that is gone has written all it had; a child of its own could hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The payload limit of a synchronous invocation.
const MAX_BYTES: usize = 6 * 1024 * 1024;
