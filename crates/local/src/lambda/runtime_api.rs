use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::{Method, Request, Response, StatusCode, body::Bytes};
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot};
use uuid::Uuid;

use super::FunctionError;
use crate::http;

/// A request on its way to a function.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) id: Uuid,
    pub(super) event: Bytes,
    pub(super) timeout: Duration,
    pub(super) reply: Reply,
}

pub(super) type Reply = oneshot::Sender<Result<Bytes, FunctionError>>;

/// One environment's Runtime API (2018-06-01).
#[derive(Debug)]
pub(super) struct RuntimeApi {
    queue: AsyncMutex<mpsc::Receiver<Work>>,
    running: Mutex<HashMap<String, Reply>>,
    ready: Notify,
    init_error: Mutex<Option<FunctionError>>,
    function_arn: String,
}

impl RuntimeApi {
    pub(super) fn new(queue: mpsc::Receiver<Work>, function_arn: String) -> Self {
        let running = Mutex::default();
        let (ready, init_error) = (Notify::new(), Mutex::default());
        Self { queue: AsyncMutex::new(queue), running, ready, init_error, function_arn }
    }

    /// When the function has first asked for work.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Why the function could not start, if it has reported that.
    pub(super) fn init_error(&self) -> Option<FunctionError> {
        self.init_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else { return not_found() };
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), &*parts) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => {
                self.reply(id, Ok(request.into_body()))
            }
            (&Method::POST, ["invocation", id, "error"]) => {
                self.reply(id, Err(error(request.body())))
            }
            (&Method::POST, ["init", "error"]) => {
                let FunctionError { error_type, message, .. } = error(request.body());
                let error = FunctionError::fatal(&error_type, message);
                *self.init_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                accepted()
            }
            _ => not_found(),
        }
    }

    async fn next(&self) -> Response<Bytes> {
        self.ready.notify_one();
        let Some(work) = self.queue.lock().await.recv().await else {
            return http::json(StatusCode::GONE, "{}");
        };
        let id = work.id.to_string();
        self.running().insert(id.clone(), work.reply);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = (now + work.timeout).as_millis().to_string();
        let (epoch, random) = (now.as_secs(), work.id.as_u128() >> 32);
        let trace = format!("Root=1-{epoch:08x}-{random:024x};Sampled=0");
        http::respond(
            StatusCode::OK,
            &[
                ("content-type", "application/json"),
                ("lambda-runtime-aws-request-id", &id),
                ("lambda-runtime-deadline-ms", &deadline),
                ("lambda-runtime-invoked-function-arn", &self.function_arn),
                ("lambda-runtime-trace-id", &trace),
            ],
            work.event,
        )
    }

    fn reply(&self, id: &str, result: Result<Bytes, FunctionError>) -> Response<Bytes> {
        match self.running().remove(id) {
            // Whoever waited may have given up: that is a time-out, and reported as one.
            Some(reply) => {
                let _ = reply.send(result);
                accepted()
            }
            None => http::json(StatusCode::BAD_REQUEST, r#"{"errorType":"InvalidRequestID"}"#),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Reply>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn error(body: &Bytes) -> FunctionError {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        error_type: String,
        error_message: String,
    }
    match serde_json::from_slice(body) {
        Ok(Wire { error_type, error_message }) => {
            FunctionError { error_type, message: error_message, environment_lives: true }
        }
        Err(_) => FunctionError {
            error_type: "Runtime.Unknown".into(),
            message: String::new(),
            environment_lives: true,
        },
    }
}

fn accepted() -> Response<Bytes> {
    http::json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

fn not_found() -> Response<Bytes> {
    http::json(StatusCode::NOT_FOUND, "{}")
}
