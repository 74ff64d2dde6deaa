//! The KMS client of the functions.

use std::{num::NonZero, str::FromStr, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_sdk_kms::{
    Client,
    config::{Builder, Credentials, IdentityCache, SharedCredentialsProvider, SharedHttpClient},
};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};

use crate::{Settings, endpoint::Endpoint, retry::TransientErrors, trust_store::Roots};

/// Creates a KMS client from the environment variables that Lambda sets. It does not read profiles or a metadata
/// service, so its creation never waits for the network. The client retries transient errors, and each operation ends
/// within some seconds.
///
/// `None` means that a problem was added to the settings.
pub fn connect(settings: &mut Settings) -> Option<Client> {
    sdk_config(settings).map(|config| client_for(&config))
}

/// Creates a KMS client that also retries transient errors that the SDK does not retry by default.
#[must_use]
pub fn client_for(config: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(config).retry_classifier(TransientErrors).build())
}

fn sdk_config(settings: &mut Settings) -> Option<SdkConfig> {
    let (
        Some(HeaderValue(region)),
        Some(HeaderValue(key_id)),
        Some(secret),
        Some(HeaderValue(session)),
        Some(endpoint_for_all),
        Some(endpoint_for_kms),
    ) = (
        settings.required_variable("AWS_REGION"),
        settings.required_variable("AWS_ACCESS_KEY_ID"),
        settings.required_variable::<String>("AWS_SECRET_ACCESS_KEY"),
        settings.variable("AWS_SESSION_TOKEN", HeaderValue::default()),
        settings.optional_variable("AWS_ENDPOINT_URL"),
        settings.optional_variable("AWS_ENDPOINT_URL_KMS"),
    )
    else {
        return None;
    };
    let (Some(fips), Some(dual_stack), Some(UserAgentText), Some(in_sam), Some(concurrency)) = (
        settings.variable("AWS_USE_FIPS_ENDPOINT", false),
        settings.variable("AWS_USE_DUALSTACK_ENDPOINT", false),
        settings.variable("AWS_EXECUTION_ENV", UserAgentText),
        settings.variable("AWS_SAM_LOCAL", String::new()),
        settings.max_concurrency(),
    ) else {
        return None;
    };
    let endpoint: Option<Endpoint> = endpoint_for_kms.or(endpoint_for_all);
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.is_docker_host) && in_sam != "true" {
        let problem = "must not be host.docker.internal outside of the containers of sam local";
        return settings.variable_problem("AWS_ENDPOINT_URL_KMS", problem);
    }
    let trust = trust_store(settings, &region, endpoint.as_ref())?;
    let session = Some(session).filter(|token| !token.is_empty());
    let credentials = Credentials::new(key_id, secret, session, None, "environment");
    let retry_config = RetryConfig::standard()
        .with_max_attempts(MAX_ATTEMPTS)
        .with_initial_backoff(INITIAL_BACKOFF)
        .with_max_backoff(MAX_BACKOFF);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region))
        .use_fips(fips)
        .use_dual_stack(dual_stack)
        // The bodies of KMS have a few kilobytes, so the timeout of an attempt is enough.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // Credentials do not change: for new ones, Lambda starts a new execution environment.
        .identity_cache(IdentityCache::no_cache())
        .retry_config(retry_config)
        .timeout_config(timeouts)
        .http_client(http_client(trust, concurrency));
    config.set_endpoint_url(endpoint.map(|endpoint| endpoint.url));
    Some(config.build())
}

/// An HTTP client with one connector for all operations. The SDK would create one for each set of timeouts.
fn http_client(trust: TrustStore, concurrency: NonZero<u16>) -> SharedHttpClient {
    let timeouts = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let tls = TlsContext::builder().with_trust_store(trust).build().unwrap_or_default();
    let connector = Connector::builder()
        .connector_settings(timeouts)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // No more idle connections than concurrent invocations: the network may drop connections while the
        // environment is frozen, and each dropped connection costs an attempt.
        .pool_max_idle_per_host(usize::from(concurrency.get()))
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build();
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

/// The root certificates to trust: those of `AWS_CA_BUNDLE` (as in the AWS CLI), of `SSL_CERT_FILE` or `SSL_CERT_DIR`
/// (as in OpenSSL), or else those for the endpoint.
fn trust_store(
    settings: &mut Settings,
    region: &str,
    endpoint: Option<&Endpoint>,
) -> Option<TrustStore> {
    let bundle: Option<String> = settings.optional_variable("AWS_CA_BUNDLE")?;
    let (file, directory): (Option<String>, Option<String>) =
        (settings.optional_variable("SSL_CERT_FILE")?, settings.optional_variable("SSL_CERT_DIR")?);
    let roots = match (bundle, endpoint) {
        // A connection without TLS needs no roots.
        (_, Some(endpoint)) if !endpoint.is_https => return Some(TrustStore::empty()),
        (Some(bundle), _) => Roots::File(bundle),
        (None, Some(_)) => Roots::System,
        (None, None) if file.is_some() || directory.is_some() => Roots::System,
        (None, None) => Roots::for_region(region),
    };
    match roots.load() {
        Ok(store) => Some(store),
        Err(problem) => settings.variable_problem("AWS_CA_BUNDLE", problem),
    }
}

/// The root certificates to trust for servers outside of AWS: those of the system (or of `SSL_CERT_FILE` and
/// `SSL_CERT_DIR`), and those of `AWS_CA_BUNDLE`, which may be of a proxy. `None` means that a problem was added.
pub fn public_trust_store(settings: &mut Settings) -> Option<TrustStore> {
    let bundle: Option<String> = settings.optional_variable("AWS_CA_BUNDLE")?;
    let roots = bundle.map_or(Roots::System, Roots::SystemAndFile);
    match roots.load() {
        Ok(store) => Some(store),
        Err(problem) => settings.variable_problem("AWS_CA_BUNDLE", problem),
    }
}

/// The longest time of an operation of a client from [`connect`]: all attempts, and the pauses between them.
#[must_use]
pub fn operation_time(client: &Client) -> Duration {
    time_of_attempts(client, u32::MAX)
}

/// The time for a response that waits for this many operations of the client in sequence. One fits with all its
/// attempts, and each other with two.
pub(crate) fn response_time(client: &Client, operations: u32) -> Duration {
    let further = time_of_attempts(client, 2) * operations.saturating_sub(1);
    operation_time(client) + further + OWN_TIME * operations
}

/// The longest time of the first attempts of an operation, and of the pauses between them.
fn time_of_attempts(client: &Client, attempts: u32) -> Duration {
    let config = client.config();
    let timeout = config.timeout_config().and_then(TimeoutConfig::operation_attempt_timeout);
    let timeout = timeout.unwrap_or(ATTEMPT_TIMEOUT);
    let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    let attempts = attempts.min(retries.max_attempts());
    let pauses = (1..attempts).map(|attempt| {
        let pause = retries.initial_backoff().saturating_mul(1 << (attempt - 1).min(16));
        pause.min(retries.max_backoff())
    });
    timeout * attempts + pauses.sum::<Duration>()
}

/// Text that is valid in an HTTP header.
#[derive(Default)]
struct HeaderValue(String);

impl FromStr for HeaderValue {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = text.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Self(text.to_owned())).ok_or("must have only visible ASCII characters")
    }
}

/// Text that the SDK writes to the header `User-Agent`. With control characters, each request would fail with an error
/// that does not name the variable.
struct UserAgentText;

impl FromStr for UserAgentText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = !text.bytes().any(|byte| byte.is_ascii_control());
        is_valid.then_some(Self).ok_or("must have no control characters")
    }
}

/// Shorter than an attempt, so that an attempt with a new connection has time left for its request. KMS is in the same
/// Region.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// So short that a client that waits for 5 s gets a response after all attempts.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1300);
/// The longer a connection is idle, the more likely the network drops it.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// Two retries: one after a connection that the server closed, and one after a transient error. More would increase the
/// load while KMS throttles.
const MAX_ATTEMPTS: u32 = 3;
/// The SDK's default of 1 s is too long for a waiting client.
const INITIAL_BACKOFF: Duration = Duration::from_millis(50);
/// Also the limit for the delay of an `x-amz-retry-after` header.
const MAX_BACKOFF: Duration = Duration::from_millis(100);

/// What a response takes besides each KMS operation.
const OWN_TIME: Duration = Duration::from_millis(150);

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, &str)]) -> Settings {
        let required = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let all = required.iter().chain(values);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn value_that_is_not_valid_in_a_header_is_a_problem() {
        let rows =
            [("token", true), ("", true), ("a b", false), ("a\r\nb: c", false), ("é", false)];
        for (text, expected) in rows {
            assert_eq!(text.parse::<HeaderValue>().is_ok(), expected, "{text:?}");
        }
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
            for (value, expected) in [("a", true), ("a\n", false)] {
                let is_valid = connect(&mut settings(&[(name, value)])).is_some();
                assert_eq!(is_valid, expected, "{name} {value:?}");
            }
        }
    }

    #[test]
    fn execution_environment_that_is_not_valid_in_a_header_is_a_problem() {
        let problem = "AWS_EXECUTION_ENV must have no control characters";
        let rows = [
            ("AWS_Lambda_provided.al2023", None),
            ("a b é", None),
            ("", None),
            ("a\nb", Some(problem)),
            ("a\r", Some(problem)),
            ("a\u{7f}", Some(problem)),
        ];
        for (value, expected) in rows {
            let mut settings = settings(&[("AWS_EXECUTION_ENV", value)]);
            let config = sdk_config(&mut settings);
            let error = settings.finish(config.map(drop)).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn docker_host_is_allowed_only_in_sam_local() {
        let docker = ("AWS_ENDPOINT_URL_KMS", "http://host.docker.internal:4566");
        for (sam, expected) in [("true", true), ("", false), ("false", false)] {
            let mut settings = settings(&[docker, ("AWS_SAM_LOCAL", sam)]);
            assert_eq!(connect(&mut settings).is_some(), expected, "{sam:?}");
        }
    }

    #[test]
    fn endpoint_for_kms_comes_before_the_endpoint_for_all_services() {
        let (kms, all) = ("http://127.0.0.1:1", "http://127.0.0.1:2");
        let rows =
            [(kms, all, Some(kms)), ("", all, Some(all)), (kms, "", Some(kms)), ("", "", None)];
        for (for_kms, for_all, expected) in rows {
            let values = [("AWS_ENDPOINT_URL_KMS", for_kms), ("AWS_ENDPOINT_URL", for_all)];
            let config = sdk_config(&mut settings(&values)).unwrap();
            assert_eq!(config.endpoint_url(), expected, "{for_kms:?} {for_all:?}");
        }
    }

    #[test]
    fn fips_and_dual_stack_are_passed_to_the_sdk() {
        let rows = [
            ("", "", Some((false, false))),
            ("true", "false", Some((true, false))),
            ("", "true", Some((false, true))),
            ("yes", "", None),
            ("", "1", None),
        ];
        for (fips, dual_stack, expected) in rows {
            let values =
                [("AWS_USE_FIPS_ENDPOINT", fips), ("AWS_USE_DUALSTACK_ENDPOINT", dual_stack)];
            let config = sdk_config(&mut settings(&values));
            let found = config.map(|config| {
                (config.use_fips() == Some(true), config.use_dual_stack() == Some(true))
            });
            assert_eq!(found, expected, "{fips:?} {dual_stack:?}");
        }
    }

    #[test]
    fn time_for_a_response_follows_from_its_operations() {
        let client = connect(&mut settings(&[])).unwrap();
        assert_eq!(operation_time(&client), Duration::from_millis(4050));
        for (operations, milliseconds) in [(1, 4200), (2, 7000)] {
            let time = response_time(&client, operations);
            assert_eq!(time, Duration::from_millis(milliseconds), "{operations}");
        }
    }
}
