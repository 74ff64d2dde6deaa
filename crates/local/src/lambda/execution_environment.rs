//! An execution environment: one process and its Runtime API.

use std::{io, process::Stdio, sync::Arc, time::Duration};

use hyper::body::Bytes;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::{mpsc, oneshot},
    time,
};
use uuid::Uuid;

use super::{
    config::FunctionConfig,
    error::FunctionError,
    function_logs::{FunctionLogs, LogLine},
    runtime_api::{PendingInvocation, RuntimeApiService},
};
use crate::{
    account::ACCOUNT, allowed_hosts::AllowedHosts, http::HttpServer, partition::Partition,
    recording::recorder,
};

/// A process that runs a function, and its Runtime API. Both end when the environment is dropped.
#[derive(Debug)]
pub(super) struct ExecutionEnvironment {
    child: Child,
    queue: mpsc::Sender<PendingInvocation>,
    api: Arc<RuntimeApiService>,
    /// Whether the process waits for an event.
    is_idle: bool,
    _server: HttpServer,
}

/// Why an execution environment is started.
#[derive(Clone, Copy)]
pub(super) enum Initialization {
    /// For an invocation that waits for it.
    OnDemand,
    /// Ahead of any invocation.
    ProvisionedConcurrency,
}

impl Initialization {
    /// The value of `AWS_LAMBDA_INITIALIZATION_TYPE`.
    const fn name(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
        }
    }
}

impl ExecutionEnvironment {
    /// Starts the process and waits until it requests an event.
    pub(super) async fn start(
        mut command: Command,
        config: &FunctionConfig,
        initialization: Initialization,
        logs: &FunctionLogs,
    ) -> Result<Self, FunctionError> {
        let name = &config.name;
        let (queue, invocations) = mpsc::channel(1);
        let (region, function) = (&config.region, format!("function:{name}"));
        let arn = Partition::of_region(region).arn("lambda", region, ACCOUNT, &function);
        let api = Arc::new(RuntimeApiService::new(invocations, arn));
        let (server, mut child) =
            launch(&mut command, config, initialization, &api).await.map_err(|error| {
                FunctionError::fatal("Runtime.InvalidEntrypoint", error.to_string())
            })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let out = tokio::spawn(collect_log(out, name.clone(), logs.clone()));
        let err = tokio::spawn(collect_log(err, name.clone(), logs.clone()));
        let runtime_api = Arc::clone(&api);
        tokio::select! {
            () = runtime_api.ready() => {
                Ok(Self { child, queue, api, is_idle: true, _server: server })
            }
            status = child.wait() => {
                // Collect the rest of the output, so that the log is complete when the caller reads it.
                let _ = time::timeout(LOG_TIMEOUT, async { tokio::join!(out, err) }).await;
                Err(api.init_error().unwrap_or_else(|| exit_error(status)))
            }
            () = time::sleep(INIT_TIMEOUT) => {
                Err(FunctionError::fatal("Sandbox.Timedout", "the function did not start within 10 seconds"))
            }
        }
    }

    /// Waits until the process requests the next event, as Lambda reuses an environment only then. Returns `None`
    /// if the process has ended.
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

    /// Invokes the function with an event and waits for its response.
    pub(super) async fn invoke(
        &mut self,
        id: Uuid,
        event: Bytes,
        timeout: Duration,
    ) -> Result<Value, FunctionError> {
        recorder().record_tokens(&event);
        self.is_idle = false;
        let (responder, response) = oneshot::channel();
        let invocation = PendingInvocation { id, event, timeout, responder };
        self.queue.send(invocation).await.map_err(|_| FunctionError::environment_ended())?;
        let response = tokio::select! {
            // A process may end right after its response.
            biased;
            response = time::timeout(timeout, response) => response,
            status = self.child.wait() => return Err(exit_error(status)),
        };
        let response = response.map_err(|_| {
            let seconds = timeout.as_secs_f64();
            FunctionError::fatal(
                "Sandbox.Timedout",
                format!("Task timed out after {seconds:.2} seconds"),
            )
        })?;
        let body = response.map_err(|_| FunctionError::environment_ended())??;
        recorder().record_tokens(&body);
        // `serde_json::Value` is not read directly: with the features of this workspace, it gives some member names a
        // special meaning.
        jwt::json::object(&body).map(Value::Object).map_err(|_| {
            FunctionError::fatal("Runtime.InvalidResponse", "the response is not a JSON object")
        })
    }
}

async fn launch(
    command: &mut Command,
    config: &FunctionConfig,
    initialization: Initialization,
    api: &Arc<RuntimeApiService>,
) -> io::Result<(HttpServer, Child)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let shared = Arc::clone(api);
    let server = HttpServer::start(listener, AllowedHosts::Loopback, MAX_BYTES, move |request| {
        let api = Arc::clone(&shared);
        async move { api.respond(request).await }
    })?;
    let name = &config.function_name;
    let child = command
        .envs(config.environment.iter().map(|(name, value)| (name, value)))
        .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", config.memory.to_string())
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", Uuid::new_v4().to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", initialization.name())
        .env("_HANDLER", "bootstrap")
        .env("TZ", ":UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    Ok((server, child))
}

fn exit_error(status: io::Result<std::process::ExitStatus>) -> FunctionError {
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    FunctionError::fatal("Runtime.ExitError", format!("Runtime exited: {status}"))
}

async fn collect_log(output: Option<impl AsyncRead + Unpin>, function: String, logs: FunctionLogs) {
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
        logs.write(LogLine { function: function.clone(), text });
    }
}

/// The limit of the init phase ("Lambda execution environment lifecycle" in the developer guide).
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to read the output of a process that has ended: a child of the process can keep the pipe open.
const LOG_TIMEOUT: Duration = Duration::from_secs(1);
/// The payload limit of a synchronous invocation ("Lambda quotas" in the developer guide).
const MAX_BYTES: usize = 6 * 1024 * 1024;
