//! The service behind the listeners: authorizes requests, performs operations and saves the store.

use std::{
    fmt,
    fs::File,
    future, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::Value;
use uuid::Uuid;

use super::{
    authorization::{AccessControl, AccessDecision, check_unrestricted},
    error::KmsError,
    input::Input,
    interceptor::Interceptor,
    operations, persistence,
    store::{Store, lock},
};
use crate::http;

/// The state that all listeners of a KMS share.
pub(crate) struct KmsService {
    pub(crate) store: Mutex<Store>,
    /// The file to which the store is saved.
    pub(crate) file: Option<PathBuf>,
    /// Held during a change that is saved.
    pub(crate) change: Mutex<()>,
    pub(crate) _file_lock: Option<File>,
    pub(crate) access_control: Mutex<AccessControl>,
    pub(crate) calls: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) interceptor: Mutex<Option<Arc<dyn Interceptor>>>,
}

impl KmsService {
    /// Loads the store from the file, if there is one.
    pub(crate) fn new(region: &str, file: Option<PathBuf>) -> io::Result<Self> {
        let mut store = Store::new(region);
        let file_lock = match &file {
            Some(file) => {
                let file_lock = persistence::lock_file(file)?;
                persistence::load(&mut store, file)?;
                Some(file_lock)
            }
            None => None,
        };
        Ok(Self {
            store: Mutex::new(store),
            file,
            change: Mutex::default(),
            _file_lock: file_lock,
            access_control: Mutex::default(),
            calls: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            interceptor: Mutex::default(),
        })
    }

    /// Performs an operation. A change is saved before the response is returned, and undone if it cannot be saved.
    pub(crate) fn perform(&self, operation: &str, body: &[u8]) -> Result<Value, KmsError> {
        let Some(file) = self.file.as_ref().filter(|_| operations::is_write(operation)) else {
            return operations::perform(&self.store, operation, body);
        };
        // One change at a time, so that a failed save undoes only the change that it belongs to.
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.store().contents();
        let response = operations::perform(&self.store, operation, body)?;
        // The guard must not live as long as the `if let`, which locks the store again.
        let saved = persistence::save(&self.store(), file);
        if let Err(error) = saved {
            self.store().restore(before);
            let message = format!("The state file cannot be written: {error}");
            return Err(KmsError::new("KMSInternalException", message));
        }
        Ok(response)
    }

    /// Checks whether a caller with this access key is allowed an operation.
    pub(crate) fn check_access(
        &self,
        access_key: &str,
        operation: &str,
        input: &Value,
    ) -> Result<(), KmsError> {
        let input = Input::read(input.to_string().as_bytes())?;
        // Locks are taken in the same order as in `authorize`.
        let access_control = self.access_control();
        access_control.check(&self.store(), access_key, operation, &input).map(|_| ())
    }

    /// The decision on each permission that an operation needs.
    pub(crate) fn access_decisions(
        &self,
        access_key: &str,
        operation: &str,
        input: &Value,
    ) -> Result<Vec<AccessDecision>, KmsError> {
        let input = Input::read(input.to_string().as_bytes())?;
        // Locks are taken in the same order as in `authorize`.
        let access_control = self.access_control();
        access_control.decisions(&self.store(), access_key, operation, &input)
    }

    /// Responds to a request over the network, unless the interceptor does.
    pub(crate) async fn respond_to_network(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let attempt = request.headers().get("amz-sdk-request");
        let is_retry =
            attempt.is_some_and(|attempt| !attempt.as_bytes().starts_with(b"attempt=1;"));
        self.retries.fetch_add(u64::from(is_retry), Ordering::Relaxed);
        let Some(interceptor) = self.interceptor() else { return self.respond(request) };
        if let Some(response) = interceptor.intercept(request).await {
            return response;
        }
        let response = self.respond(request);
        if interceptor.withholds_response() {
            return future::pending().await;
        }
        response
    }

    /// Authorizes and performs a request.
    pub(crate) fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.strip_prefix("TrentService."));
        let result = match operation {
            Some(operation) => self
                .authorize(request, operation)
                .and_then(|()| self.perform(operation, request.body())),
            None => Err(KmsError::unknown_operation(
                target.unwrap_or("without the header x-amz-target"),
            )),
        };
        let mut response = match result {
            Ok(output) => {
                let body = if output.is_null() { String::new() } else { output.to_string() };
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

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    pub(crate) fn access_control(&self) -> MutexGuard<'_, AccessControl> {
        self.access_control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn interceptor(&self) -> Option<Arc<dyn Interceptor>> {
        self.interceptor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_interceptor(&self, interceptor: Option<Arc<dyn Interceptor>>) {
        *self.interceptor.lock().unwrap_or_else(PoisonError::into_inner) = interceptor;
    }

    /// Authorizes the caller that the access key of the SigV4 signature identifies. The caller of an
    /// unsigned request is the account itself.
    fn authorize(&self, request: &Request<Bytes>, operation: &str) -> Result<(), KmsError> {
        let header = request.headers().get("authorization");
        let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
        let credential = header.split_once("Credential=").map(|(_, rest)| rest);
        let access_key = credential.and_then(|credential| credential.split('/').next());
        let input = Input::read(request.body())?;
        let Some(access_key) = access_key else {
            return check_unrestricted(&self.store(), "root", &input);
        };
        self.access_control().authorize(&self.store(), access_key, operation, &input)
    }
}

impl fmt::Debug for KmsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsService").finish_non_exhaustive()
    }
}
