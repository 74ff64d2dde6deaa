//! A local AWS KMS: the operations that signing keys need, as AWS JSON 1.1 over HTTP.
//!
//! Start with [`Kms`]. Where the service rejects a request for a key that signs tokens, the local KMS rejects
//! it with the same error code. It does not check the signatures of requests: the access key alone identifies
//! the caller. A caller with an assigned [`Role`] has the permissions of the role; any other caller has all
//! permissions.

mod authorization;
mod crypto;
mod error;
#[cfg(test)]
mod fixture;
mod input;
mod interceptor;
mod operations;
mod output;
mod pages;
mod persistence;
mod principal;
mod service;
mod store;

use std::{
    collections::BTreeSet,
    io, iter,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hyper::{Request, Response, body::Bytes};
use serde_json::Value;
use tokio::net::TcpListener;

pub use self::{
    authorization::{AccessDecision, Role},
    error::error_response,
    interceptor::Interceptor,
};

use self::{error::KmsError, service::KmsService};
use crate::{allowed_hosts::AllowedHosts, http::HttpServer};

/// A KMS with the keys of one account in one Region.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use countersign_local::kms::Kms;
/// use serde_json::json;
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let kms = Kms::start(listener, "us-east-1", None)?;
/// let key = kms.perform("CreateKey", &json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}))?;
/// let alias = json!({"AliasName": "alias/ring", "TargetKeyId": key["KeyMetadata"]["KeyId"]});
/// kms.perform("CreateAlias", &alias)?;
/// let key = kms.perform("DescribeKey", &json!({"KeyId": "alias/ring"}))?;
/// assert_eq!(key["KeyMetadata"]["KeyState"], "Enabled");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Kms {
    server: HttpServer,
    more_servers: Vec<HttpServer>,
    service: Arc<KmsService>,
}

/// How the KMS of a stack is started.
#[derive(Debug, Clone, Default)]
pub struct KmsOptions {
    /// The port. 0 selects a free port.
    pub port: u16,
    /// An address other than the loopback address on which KMS listens too, for clients on other machines.
    pub address: Option<IpAddr>,
    /// The folder in which the keys are stored. Without it, they are lost when KMS stops.
    pub state: Option<PathBuf>,
}

impl KmsOptions {
    /// The file with the keys.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        self.state.as_ref().map(|folder| folder.join("kms.json"))
    }
}

impl Kms {
    /// Serves on this listener until the result is dropped. With a file, the keys are loaded from it and saved
    /// to it after each change.
    ///
    /// # Errors
    /// If the file cannot be read or is in use, or if the listener has no address.
    pub fn start(listener: TcpListener, region: &str, file: Option<PathBuf>) -> io::Result<Self> {
        let service = Arc::new(KmsService::new(region, file)?);
        let server = serve(&service, listener, AllowedHosts::LoopbackAndContainers)?;
        Ok(Self { server, more_servers: Vec::new(), service })
    }

    /// Serves on this listener, which has the port of the options.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        listener: TcpListener,
        region: &str,
        options: &KmsOptions,
    ) -> io::Result<Self> {
        Self::start(listener, region, options.file())
    }

    /// Serves on another listener too, which clients on other machines can reach by its address.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn listen(&mut self, listener: TcpListener) -> io::Result<()> {
        self.more_servers.push(serve(&self.service, listener, AllowedHosts::Addresses)?);
        Ok(())
    }

    /// The address of the first listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The number of requests received over the network so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.service.calls()
    }

    /// How many of [`Self::calls`] were retries by an AWS SDK, as the header `amz-sdk-request` reports.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.service.retries()
    }

    /// Limits callers with this access key to the permissions of a role.
    pub fn assign_role(&self, access_key: &str, role: Role) {
        self.service.access_control().assign_role(access_key, role);
    }

    /// Sets the ARN of the Lambda function that uses this access key. Identity-based policies see it as the
    /// condition key `lambda:SourceFunctionArn`.
    pub fn set_source_function(&self, access_key: &str, function_arn: &str) {
        self.service.access_control().set_source_function(access_key, function_arn);
    }

    /// Checks whether a caller with this access key is allowed an operation. The operation is not performed.
    ///
    /// # Errors
    /// The error of KMS as `CODE: message`: `AccessDeniedException`, or another if the request is invalid.
    pub fn check_access(
        &self,
        access_key: &str,
        operation: &str,
        input: &Value,
    ) -> Result<(), String> {
        self.service.check_access(access_key, operation, input).map_err(describe)
    }

    /// The names of the operations.
    pub fn operations() -> impl Iterator<Item = &'static str> {
        operations::all().map(|operation| operation.name)
    }

    /// The decision on each permission that an operation needs. The operation is not performed. A caller without
    /// a role needs no permission.
    ///
    /// # Errors
    /// The error of KMS as `CODE: message` if the request is invalid.
    pub fn access_decisions(
        &self,
        access_key: &str,
        operation: &str,
        input: &Value,
    ) -> Result<Vec<AccessDecision>, String> {
        self.service.access_decisions(access_key, operation, input).map_err(describe)
    }

    /// The permissions that callers with roles have used so far: the ARN of a role and an action.
    #[must_use]
    pub fn used_permissions(&self) -> BTreeSet<(String, String)> {
        self.service.access_control().used_permissions()
    }

    /// Sets or removes the interceptor of requests over the network.
    pub fn set_interceptor(&self, interceptor: Option<Arc<dyn Interceptor>>) {
        self.service.set_interceptor(interceptor);
    }

    /// Closes all open connections. A client can detect this before its next request.
    pub async fn close_connections(&self) {
        for server in iter::once(&self.server).chain(&self.more_servers) {
            server.close_connections().await;
        }
    }

    /// Stops the clock of this KMS at a time.
    pub fn set_time(&self, time: SystemTime) {
        self.service.store().set_time(time);
    }

    /// Delays what reads of aliases see: each read calls `delay` and sees the alias as it was that long ago.
    /// Earlier changes are visible at once, and changes always apply to the current state.
    pub fn delay_aliases(&self, delay: impl Fn() -> Duration + Send + 'static) {
        self.service.store().aliases.set_delay(Box::new(delay));
    }

    /// Sets whether `ListAliases` omits `CreationDate` and `LastUpdatedDate`, which are optional in the service
    /// model.
    pub fn omit_alias_dates(&self, omit: bool) {
        self.service.store().omits_alias_dates = omit;
    }

    /// Delays the tags and aliases that authorization sees (`aws:ResourceTag/…`, `kms:ResourceAliases` and
    /// `kms:RequestAlias`): each check of a key calls `delay`. Earlier changes are visible at once. In AWS, the
    /// delay is up to five minutes ("ABAC for AWS KMS" in the developer guide).
    pub fn delay_authorization(&self, delay: impl Fn() -> Duration + Send + 'static) {
        self.service.store().delay_authorization(Box::new(delay));
    }

    /// Responds to a request without the network. [`Self::calls`] does not count it.
    #[must_use]
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.service.respond(request)
    }

    /// Performs an operation without the network and without authorization. [`Self::calls`] does not count it.
    ///
    /// # Errors
    /// The error of KMS as `CODE: message`.
    pub fn perform(&self, operation: &str, input: &Value) -> Result<Value, String> {
        self.service.perform(operation, input.to_string().as_bytes()).map_err(describe)
    }
}

fn serve(
    service: &Arc<KmsService>,
    listener: TcpListener,
    hosts: AllowedHosts,
) -> io::Result<HttpServer> {
    let (service, shared) = (Arc::clone(service), Arc::clone(service));
    let fault = move |opened| shared.interceptor()?.connection_fault(opened);
    HttpServer::with_faults(listener, hosts, MAX_BYTES, fault, move |request| {
        let service = Arc::clone(&service);
        async move { service.respond_to_network(&request).await }
    })
}

fn describe(error: KmsError) -> String {
    let KmsError { code, message } = error;
    format!("{code}: {message}")
}

/// The maximum length of a request, far over that of one with a message of 4096 bytes.
const MAX_BYTES: usize = 256 * 1024;
