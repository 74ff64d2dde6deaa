//! Providers of credentials around those of the SDK: credentials that were fetched once, checked ones, and those of a role.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, IsTerminal, Write},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{
        self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
        future::ProvideCredentials as Future,
    },
};
use aws_sdk_sts::{Client, types};

use super::sdk_error::{describe, root_cause};
use crate::{exit::UsageError, terminal};

/// Whether the SDK can send the credentials: it panics on other characters in the headers of a request.
pub(super) fn can_be_headers(credentials: &Credentials) -> bool {
    let session_token = credentials.session_token().unwrap_or_default();
    let mut texts = [credentials.access_key_id(), session_token].into_iter();
    texts.all(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
}

pub(super) const INVISIBLE: &str =
    "the access key id and the session token must consist of visible ASCII characters";

/// Credentials that were fetched once, to report a problem before the first request.
#[derive(Debug)]
pub(super) struct Prefetched {
    pub(super) first: Credentials,
    pub(super) provider: SendableProvider,
}

/// A provider whose credentials the SDK can send.
#[derive(Debug)]
pub(super) struct SendableProvider {
    pub(super) provider: SharedCredentialsProvider,
}

impl SendableProvider {
    async fn credentials(&self) -> provider::Result {
        let credentials = self.provider.provide_credentials().await?;
        if can_be_headers(&credentials) {
            return Ok(credentials);
        }
        Err(CredentialsError::invalid_configuration(UsageError(INVISIBLE.into())))
    }
}

impl ProvideCredentials for SendableProvider {
    fn provide_credentials<'a>(&'a self) -> Future<'a>
    where
        Self: 'a,
    {
        Future::new(self.credentials())
    }
}

impl Prefetched {
    async fn credentials(&self) -> provider::Result {
        let limit = SystemTime::now() + EXPIRY_BUFFER;
        if self.first.expiry().is_none_or(|expiry| expiry > limit) {
            return Ok(self.first.clone());
        }
        self.provider.provide_credentials().await
    }
}

impl ProvideCredentials for Prefetched {
    fn provide_credentials<'a>(&'a self) -> Future<'a>
    where
        Self: 'a,
    {
        Future::new(self.credentials())
    }
}

/// A role of a profile. The provider of `aws-config` has neither an MFA code nor a duration.
#[derive(Debug)]
pub(super) struct AssumeRole {
    pub(super) client: Client,
    pub(super) arn: String,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) mfa_serial: Option<String>,
    pub(super) duration: Option<i32>,
}

impl AssumeRole {
    async fn credentials(&self) -> provider::Result {
        let token_code = self.mfa_serial.as_deref().map(ask_for_code).transpose();
        let request = self
            .client
            .assume_role()
            .role_arn(&self.arn)
            .role_session_name(self.session_name.clone().unwrap_or_else(session_name))
            .set_external_id(self.external_id.clone())
            .set_serial_number(self.mfa_serial.clone())
            .set_token_code(token_code.map_err(CredentialsError::invalid_configuration)?)
            .set_duration_seconds(self.duration);
        let unavailable = |cause: String| {
            CredentialsError::provider_error(format!("AssumeRole of {}: {cause}", self.arn))
        };
        let output = request.send().await.map_err(|error| unavailable(describe(&error)))?;
        of_role(output.credentials, "AssumeRole").map_err(unavailable)
    }
}

impl ProvideCredentials for AssumeRole {
    fn provide_credentials<'a>(&'a self) -> Future<'a>
    where
        Self: 'a,
    {
        Future::new(self.credentials())
    }
}

/// A role for a token in a file. The provider of `aws-config` reads the endpoint of STS from the environment alone.
#[derive(Debug)]
pub(super) struct AssumeRoleWithWebIdentity {
    pub(super) client: Client,
    pub(super) token_file: PathBuf,
    pub(super) arn: String,
    pub(super) session_name: Option<String>,
}

impl AssumeRoleWithWebIdentity {
    async fn credentials(&self) -> provider::Result {
        let unavailable = |cause: String| {
            let problem = format!("AssumeRoleWithWebIdentity of {}: {cause}", self.arn);
            CredentialsError::provider_error(problem)
        };
        // The content changes while the command runs.
        let token = fs::read_to_string(&self.token_file)
            .map_err(|error| unavailable(format!("{}: {error}", self.token_file.display())))?;
        let request = self
            .client
            .assume_role_with_web_identity()
            .role_arn(&self.arn)
            .role_session_name(self.session_name.clone().unwrap_or_else(session_name))
            .web_identity_token(token);
        let output = request.send().await.map_err(|error| unavailable(describe(&error)))?;
        of_role(output.credentials, "AssumeRoleWithWebIdentity").map_err(unavailable)
    }
}

impl ProvideCredentials for AssumeRoleWithWebIdentity {
    fn provide_credentials<'a>(&'a self) -> Future<'a>
    where
        Self: 'a,
    {
        Future::new(self.credentials())
    }
}

/// The credentials of a role in a response of STS.
fn of_role(
    credentials: Option<types::Credentials>,
    operation: &'static str,
) -> Result<Credentials, String> {
    let credentials = credentials.ok_or("the response has no credentials")?;
    let expiry =
        SystemTime::try_from(credentials.expiration).map_err(|error| root_cause(&error))?;
    Ok(Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.session_token),
        Some(expiry),
        operation,
    ))
}

/// The name of a session without `role_session_name`.
fn session_name() -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("countersign-{}", time.as_secs())
}

/// Asks for the code of an MFA device.
fn ask_for_code(serial: &str) -> Result<String, UsageError> {
    let mut terminal = terminal_input().ok_or_else(|| {
        let problem = "cannot ask for the MFA code without a terminal";
        UsageError(format!("mfa_serial {serial}: {problem}"))
    })?;
    let unreadable = |error: io::Error| UsageError(format!("mfa_serial {serial}: {error}"));
    write!(terminal::stderr(), "MFA code of {serial}: ").map_err(unreadable)?;
    let mut code = String::new();
    terminal.read_line(&mut code).map_err(unreadable)?;
    Ok(code.trim().to_owned())
}

/// The terminal of the operator. Standard input can have the claims of a token.
fn terminal_input() -> Option<Box<dyn BufRead>> {
    if io::stdin().is_terminal() {
        return Some(Box::new(io::stdin().lock()));
    }
    let terminal = io::stderr().is_terminal().then(|| File::open("/dev/tty"))?.ok()?;
    Some(Box::new(BufReader::new(terminal)))
}

/// As the identity cache of the SDK has for its own fetches.
const EXPIRY_BUFFER: Duration = Duration::from_secs(10);
