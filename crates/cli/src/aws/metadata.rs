//! The metadata services of containers and instances, which provide credentials to the programs on them.
//!
//! They are on the same machine or link-local, so no proxy is used: it would fetch the credentials of its machine.

use std::{
    fs,
    net::IpAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use aws_config::{
    imds::{self, credentials::ImdsCredentialsProvider},
    provider_config::ProviderConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{
        self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
        future::ProvideCredentials as Future,
    },
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
};
use aws_smithy_types::{
    body::SdkBody,
    date_time::{DateTime, Format},
};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Limited};
use oidc::has_valid_authority;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{config::AwsConfig, http as client, sdk_error::root_cause};
use crate::exit::UsageError;

/// The metadata service of the instance.
pub(super) fn instance(
    config: &AwsConfig,
    provider_config: ProviderConfig,
) -> Result<SharedCredentialsProvider, UsageError> {
    let connector = client::direct_connector(config.trust_store()?);
    let provider_config =
        provider_config.with_http_client(http_client_fn(move |_, _| connector.clone()));
    let url = config.instance_metadata_url()?;
    let client = imds::Client::builder().configure(&provider_config).endpoint(&url);
    let client = client.map_err(|error| UsageError(format!("{url}: {error}")))?.build();
    let provider = ImdsCredentialsProvider::builder().configure(&provider_config);
    Ok(SharedCredentialsProvider::new(provider.imds_client(client).build()))
}

/// The metadata service of the container, if the environment names one. The provider of the SDK takes an empty variable
/// for a value.
pub(super) fn container(
    config: &AwsConfig,
) -> Result<Option<SharedCredentialsProvider>, UsageError> {
    let variable = |name| config.environment.get(name);
    let [relative, full] = CONTAINER_VARIABLES;
    let url = match (variable(relative), variable(full)) {
        (None, None) => return Ok(None),
        (Some(path), _) => {
            let uri = Some(path).filter(|path| path.starts_with('/'));
            let uri = uri.and_then(|path| format!("http://{CONTAINER_HOST}{path}").parse().ok());
            uri.ok_or_else(|| UsageError(format!("{relative} must be a path such as /v2/id")))?
        }
        (None, Some(url)) => {
            let uri: Option<Uri> = url.parse().ok();
            let uri = uri.filter(has_valid_authority);
            match uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?))) {
                Some(("https", _)) => {}
                Some(("http", host)) if is_container_host(host) => {}
                Some(("http", _)) => {
                    return Err(UsageError(format!(
                        "{full} must be an https URL, or an http URL of this machine or of the metadata service"
                    )));
                }
                _ => return Err(UsageError(format!("{full} must be an http or https URL"))),
            }
            uri.unwrap_or_default()
        }
    };
    let authorization = match (variable(TOKEN_FILE), variable(TOKEN)) {
        (Some(file), _) => {
            // Before the first request, to name the file.
            fs::read(file)
                .map_err(|error| UsageError(format!("{TOKEN_FILE} ({file}): {error}")))?;
            AuthorizationSource::File(file.into())
        }
        (None, Some(token)) => AuthorizationSource::Value(header_value(TOKEN, token.as_bytes())?),
        (None, None) => AuthorizationSource::None,
    };
    let connector = client::direct_connector(config.trust_store()?);
    Ok(Some(SharedCredentialsProvider::new(Container { connector, url, authorization })))
}

/// Whether credentials may be fetched from this host without TLS.
fn is_container_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || host == "localhost" || [CONTAINER_HOST, EKS_HOST, EKS_HOST_V6].contains(&host)
}

fn header_value(source: &str, value: &[u8]) -> Result<HeaderValue, UsageError> {
    HeaderValue::from_bytes(value)
        .map_err(|_| UsageError(format!("{source} has characters that a header cannot have")))
}

#[derive(Debug)]
struct Container {
    connector: SharedHttpConnector,
    url: Uri,
    authorization: AuthorizationSource,
}

#[derive(Debug)]
enum AuthorizationSource {
    None,
    Value(HeaderValue),
    /// The content changes while the command runs.
    File(PathBuf),
}

impl Container {
    async fn credentials(&self) -> provider::Result {
        let mut attempt = 1;
        loop {
            match timeout(TIMEOUT, self.fetch()).await {
                Ok(Err(CredentialsError::ProviderError(_))) | Err(_) if attempt < ATTEMPTS => {}
                Ok(result) => return result,
                Err(_) => return Err(CredentialsError::provider_timed_out(TIMEOUT)),
            }
            attempt += 1;
            sleep(PAUSE).await;
        }
    }

    async fn fetch(&self) -> provider::Result {
        let mut request = Request::get(self.url.clone()).header("accept", "application/json");
        let authorization = match &self.authorization {
            AuthorizationSource::None => None,
            AuthorizationSource::Value(value) => Some(value.clone()),
            AuthorizationSource::File(file) => {
                let token = fs::read(file).map_err(CredentialsError::invalid_configuration)?;
                let value = header_value(TOKEN_FILE, &token);
                Some(value.map_err(CredentialsError::invalid_configuration)?)
            }
        };
        if let Some(mut value) = authorization {
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        let request =
            request.body(SdkBody::empty()).map_err(CredentialsError::invalid_configuration)?;
        let request =
            HttpRequest::try_from(request).map_err(CredentialsError::invalid_configuration)?;
        let response = self.connector.call(request).await;
        let response =
            response.map_err(|error| CredentialsError::provider_error(root_cause(&error)))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(CredentialsError::provider_error)?.to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let member = |name: &str| body.get(name).and_then(Value::as_str);
        if status != 200 {
            let status = format!("the response has the status {status}");
            let parts = [Some(&*status), member("code"), member("message")];
            let problem = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
            return Err(CredentialsError::provider_error(problem));
        }
        let required = |name: &str| {
            let problem =
                || CredentialsError::provider_error(format!("{name} is missing in the response"));
            member(name).ok_or_else(problem)
        };
        let (id, secret) = (required("AccessKeyId")?, required("SecretAccessKey")?);
        let expiry = required("Expiration")?;
        let expiry = DateTime::from_str(expiry, Format::DateTimeWithOffset).ok();
        let expiry = expiry.and_then(|time| SystemTime::try_from(time).ok());
        let expiry = expiry.ok_or_else(|| {
            CredentialsError::provider_error("Expiration of the response is not a time")
        })?;
        let token = member("Token").map(str::to_owned);
        Ok(Credentials::new(id, secret, token, Some(expiry), "Container"))
    }
}

impl ProvideCredentials for Container {
    fn provide_credentials<'a>(&'a self) -> Future<'a>
    where
        Self: 'a,
    {
        Future::new(self.credentials())
    }
}

/// The variables that name the metadata service of the container: a path, and a URL.
pub(super) const CONTAINER_VARIABLES: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
const CONTAINER_HOST: &str = "169.254.170.2";
const EKS_HOST: &str = "169.254.170.23";
const EKS_HOST_V6: &str = "fd00:ec2::23";
const TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 3;
const MAX_BYTES: usize = 64 * 1024;
