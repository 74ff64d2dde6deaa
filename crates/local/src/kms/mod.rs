//! AWS KMS, as far as keys that sign need it: AWS JSON 1.1 over HTTP.
//!
//! Stricter than it must be to work: where the service refuses what a token's keys are asked, this
//! refuses with the same error. Signatures of requests are not looked at: a caller is whoever the
//! access key says, and one that has a role here may do what that allows.

mod aliases;
mod api;
mod disk;
mod error;
mod facts;
#[cfg(test)]
mod fixture;
mod grants;
mod guard;
mod input;
mod interceptor;
mod keys;
mod material;
mod mu;
mod permissions;
mod principal;
mod propagation;
mod signing;
mod spec;
mod store;

use std::{
    collections::BTreeSet,
    fs::File,
    io, iter,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::Value;
use tokio::net::TcpListener;
use uuid::Uuid;

use self::{error::KmsError, guard::Guard, input::Input, store::Store};
pub use self::{error::error_response, guard::Role, interceptor::Interceptor};
use crate::http::{self, Server};

pub(crate) use self::store::ACCOUNT;

/// A KMS of one account and one Region.
#[derive(Debug)]
pub struct Kms {
    server: Server,
    more: Vec<Server>,
    state: Arc<State>,
}

fn serve(state: &Arc<State>, listener: TcpListener) -> io::Result<Server> {
    let (state, shared) = (Arc::clone(state), Arc::clone(state));
    let fault = move |opened| shared.interceptor()?.connection_fault(opened);
    Server::with_faults(listener, MAX_BYTES, fault, move |request| {
        let state = Arc::clone(&state);
        async move { state.respond(&request).await }
    })
}

struct State {
    store: Mutex<Store>,
    /// Where the store is kept, if it is to outlive the process.
    file: Option<PathBuf>,
    _lock: Option<File>,
    guard: Mutex<Guard>,
    calls: AtomicU64,
    retries: AtomicU64,
    interceptor: Mutex<Option<Arc<dyn Interceptor>>>,
}

impl Kms {
    /// Serves on this listener until it is dropped, with what is in the file, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read, or the listener has no address.
    pub fn start(listener: TcpListener, region: &str, file: Option<PathBuf>) -> io::Result<Self> {
        let mut store = Store::new(region);
        let lock = match &file {
            Some(file) => {
                let lock = disk::lock(file)?;
                disk::load(&mut store, file)?;
                Some(lock)
            }
            None => None,
        };
        let state = Arc::new(State {
            store: Mutex::new(store),
            file,
            _lock: lock,
            guard: Mutex::default(),
            calls: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            interceptor: Mutex::default(),
        });
        let server = serve(&state, listener)?;
        Ok(Self { server, more: Vec::new(), state })
    }

    /// Serves on this listener too.
    ///
    /// # Errors
    /// When it has no address.
    pub fn listen(&mut self, listener: TcpListener) -> io::Result<()> {
        self.more.push(serve(&self.state, listener)?);
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// How many requests came over the network so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// How many of them an AWS SDK had sent before, to no avail.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.state.retries.load(Ordering::Relaxed)
    }

    /// From now on whoever calls with this access key may do what the role may, and nothing else.
    pub fn assign_role(&self, access_key: &str, role: Role) {
        self.state.guard().assign_role(access_key, role);
    }

    /// From now on calls with this access key come from the Lambda function with this ARN, which
    /// the caller's own policies know as `lambda:SourceFunctionArn`.
    pub fn set_source_function(&self, access_key: &str, function_arn: &str) {
        self.state.guard().set_source_function(access_key, function_arn);
    }

    /// Whether whoever has this access key may do this.
    ///
    /// # Errors
    /// The error that KMS would answer with, in words.
    pub fn may(&self, access_key: &str, operation: &str, input: &Value) -> Result<(), String> {
        let may = self.state.check(access_key, operation, input);
        may.map_err(|error| format!("{}: {}", error.code, error.message))
    }

    /// Every role's ARN with every action that it was allowed so far.
    #[must_use]
    pub fn used(&self) -> BTreeSet<(String, String)> {
        self.state.guard().used()
    }

    /// From now on requests over the network pass through this.
    pub fn set_interceptor(&self, interceptor: Option<Arc<dyn Interceptor>>) {
        *self.state.interceptor.lock().unwrap_or_else(PoisonError::into_inner) = interceptor;
    }

    /// Ends every connection that there is: who keeps one can know before its next request.
    pub async fn hang_up(&self) {
        for server in iter::once(&self.server).chain(&self.more) {
            server.hang_up().await;
        }
    }

    /// From now on it is this time here, and stands still.
    pub fn set_time(&self, time: SystemTime) {
        lock(&self.state.store).set_time(time);
    }

    /// From now on each look at an alias sees it as it was this long ago, asked anew each time, or
    /// as it is where it has not changed since this was called. Changes build on what is.
    pub fn delay_aliases(&self, delay: impl Fn() -> Duration + Send + 'static) {
        lock(&self.state.store).aliases.delay(Box::new(delay));
    }

    /// From now on `ListAliases` leaves out `CreationDate` and `LastUpdatedDate`, which are optional
    /// in KMS, or no longer does.
    pub fn omit_alias_dates(&self, omit: bool) {
        lock(&self.state.store).omits_alias_dates = omit;
    }

    /// From now on authorization sees the tags and aliases of keys as they were this long ago, asked
    /// anew for each key: `aws:ResourceTag/…`, `kms:ResourceAliases` and `kms:RequestAlias`. What was
    /// set before the first call counts at once. KMS says "up to five minutes".
    pub fn delay_authorization(&self, delay: impl Fn() -> Duration + Send + 'static) {
        lock(&self.state.store).delay_authorization(Box::new(delay));
    }

    /// Answers a request without the network: not counted among the calls.
    #[must_use]
    pub fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.state.answer(request)
    }

    /// Performs an operation without the network: not counted among the calls.
    ///
    /// # Errors
    /// The error that KMS would answer with, in words.
    pub fn perform(&self, operation: &str, input: &Value) -> Result<Value, String> {
        let answer = self.state.perform(operation, input.to_string().as_bytes());
        answer.map_err(|error| format!("{}: {}", error.code, error.message))
    }
}

impl State {
    /// Performs the operation, and keeps what it changed before it says so.
    fn perform(&self, operation: &str, body: &[u8]) -> Result<Value, KmsError> {
        let answer = api::perform(&self.store, operation, body)?;
        if let (Some(file), true) = (&self.file, api::changes(operation)) {
            disk::save(&lock(&self.store), file)
                .map_err(|error| KmsError::new("KMSInternalException", error.to_string()))?;
        }
        Ok(answer)
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether whoever has this access key may do this.
    fn check(&self, access_key: &str, operation: &str, input: &Value) -> Result<(), KmsError> {
        let input = Input::read(input.to_string().as_bytes())?;
        // In the order in which a request takes them.
        let guard = self.guard();
        guard.check(&lock(&self.store), access_key, operation, &input).map(|_| ())
    }

    /// Whether whoever asks may.
    fn admit(&self, request: &Request<Bytes>, operation: &str) -> Result<(), KmsError> {
        let header = request.headers().get("authorization");
        let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
        let credential = header.split_once("Credential=").map(|(_, rest)| rest);
        let access_key = credential.and_then(|credential| credential.split('/').next());
        let Some(access_key) = access_key else { return Ok(()) };
        let input = Input::read(request.body())?;
        self.guard().admit(&lock(&self.store), access_key, operation, &input)
    }

    async fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let attempt = request.headers().get("amz-sdk-request");
        let again = attempt.is_some_and(|attempt| !attempt.as_bytes().starts_with(b"attempt=1;"));
        self.retries.fetch_add(u64::from(again), Ordering::Relaxed);
        let Some(interceptor) = self.interceptor() else { return self.answer(request) };
        if let Some(answer) = interceptor.intercept(request).await {
            return answer;
        }
        let answer = self.answer(request);
        if interceptor.withholds_response() {
            return std::future::pending().await;
        }
        answer
    }

    fn interceptor(&self) -> Option<Arc<dyn Interceptor>> {
        self.interceptor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.strip_prefix("TrentService."));
        let answer = match operation {
            Some(operation) => self
                .admit(request, operation)
                .and_then(|()| self.perform(operation, request.body())),
            None => Err(KmsError::new("UnknownOperationException", "")),
        };
        let mut response = match answer {
            Ok(answer) => {
                let body = if answer.is_null() { String::new() } else { answer.to_string() };
                let content_type = [("content-type", "application/x-amz-json-1.1")];
                http::respond(StatusCode::OK, &content_type, body)
            }
            Err(error) => error.response(),
        };
        if let Ok(id) = Uuid::new_v4().to_string().parse() {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// Every change of the store is whole when its lock is given up, even by a panic.
fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Far over any request with a message of 4096 bytes.
const MAX_BYTES: usize = 256 * 1024;
