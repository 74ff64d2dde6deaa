//! The Runtime API.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::{Method, Request, Response, StatusCode, body::Bytes};
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot};
use uuid::Uuid;

use super::error::FunctionError;
use crate::http;

/// An invocation that waits for the function.
#[derive(Debug)]
pub(super) struct PendingInvocation {
    pub(super) id: Uuid,
    pub(super) event: Bytes,
    pub(super) timeout: Duration,
    pub(super) responder: Responder,
}

pub(super) type Responder = oneshot::Sender<Result<Bytes, FunctionError>>;

/// The Runtime API of one execution environment, version 2018-06-01 ("Using the Lambda runtime API" in the
/// developer guide).
#[derive(Debug)]
pub(super) struct RuntimeApiService {
    queue: AsyncMutex<mpsc::Receiver<PendingInvocation>>,
    running: Mutex<HashMap<String, Responder>>,
    ready: Notify,
    init_error: Mutex<Option<FunctionError>>,
    function_arn: String,
}

impl RuntimeApiService {
    pub(super) fn new(queue: mpsc::Receiver<PendingInvocation>, function_arn: String) -> Self {
        let running = Mutex::default();
        let (ready, init_error) = (Notify::new(), Mutex::default());
        Self { queue: AsyncMutex::new(queue), running, ready, init_error, function_arn }
    }

    /// Waits until the function requests an event.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// The initialization error that the function has reported, if any.
    pub(super) fn init_error(&self) -> Option<FunctionError> {
        self.init_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) async fn respond(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else { return not_found() };
        let segments: Vec<&str> = path.split('/').collect();
        match (request.method(), &*segments) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => {
                self.reply(id, Ok(request.into_body()))
            }
            (&Method::POST, ["invocation", id, "error"]) => {
                self.reply(id, Err(reported_error(request.body())))
            }
            (&Method::POST, ["init", "error"]) => {
                let FunctionError { error_type, message, .. } = reported_error(request.body());
                let error = FunctionError::fatal(&error_type, message);
                *self.init_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                accepted()
            }
            _ => not_found(),
        }
    }

    async fn next(&self) -> Response<Bytes> {
        self.ready.notify_one();
        let Some(invocation) = self.queue.lock().await.recv().await else {
            return http::json(StatusCode::GONE, "{}");
        };
        let id = invocation.id.to_string();
        self.running().insert(id.clone(), invocation.responder);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = (now + invocation.timeout).as_millis().to_string();
        let (epoch, random) = (now.as_secs(), invocation.id.as_u128() >> 32);
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
            invocation.event,
        )
    }

    fn reply(&self, id: &str, result: Result<Bytes, FunctionError>) -> Response<Bytes> {
        match self.running().remove(id) {
            // An error means that the caller no longer waits, as the invocation timed out.
            Some(responder) => {
                let _ = responder.send(result);
                accepted()
            }
            None => http::json(StatusCode::BAD_REQUEST, r#"{"errorType":"InvalidRequestID"}"#),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Responder>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reported_error(body: &Bytes) -> FunctionError {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ErrorReport {
        error_type: String,
        error_message: String,
    }
    match serde_json::from_slice(body) {
        Ok(ErrorReport { error_type, error_message }) => {
            FunctionError::returned(error_type, error_message)
        }
        Err(_) => FunctionError::returned("Runtime.Unknown".into(), String::new()),
    }
}

fn accepted() -> Response<Bytes> {
    http::json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

fn not_found() -> Response<Bytes> {
    http::json(StatusCode::NOT_FOUND, "{}")
}
