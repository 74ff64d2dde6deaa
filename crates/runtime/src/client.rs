//! The client of KMS.

use std::{net::IpAddr, num::NonZero, str::FromStr, time::Duration};

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
use http::Uri;

use crate::{Settings, retry::TransientErrors, trust_store::Roots};

/// A client of KMS from the environment that Lambda sets and from nothing else: no profile, no
/// metadata service, nothing that could wait for a response that never comes.
///
/// `None` means that a problem was added to the settings.
pub fn connect(settings: &mut Settings) -> Option<Client> {
    config(settings).map(|config| client_for(&config))
}

/// A client that retries every transient error of KMS, also those that the SDK alone does not retry.
#[must_use]
pub fn client_for(config: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(config).retry_classifier(TransientErrors).build())
}

fn config(settings: &mut Settings) -> Option<SdkConfig> {
    let (
        Some(HeaderValue(region)),
        Some(HeaderValue(key_id)),
        Some(secret),
        Some(HeaderValue(session)),
        Some(endpoint_of_all),
        Some(endpoint_of_kms),
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
    let (Some(fips), Some(dual_stack), Some(in_sam), Some(concurrency)) = (
        settings.variable("AWS_USE_FIPS_ENDPOINT", false),
        settings.variable("AWS_USE_DUALSTACK_ENDPOINT", false),
        settings.variable("AWS_SAM_LOCAL", String::new()),
        settings.max_concurrency(),
    ) else {
        return None;
    };
    let endpoint: Option<Endpoint> = endpoint_of_kms.or(endpoint_of_all);
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.is_docker_host) && in_sam != "true" {
        let problem = "host.docker.internal is only this machine in the containers of sam local";
        return settings.variable_problem("AWS_ENDPOINT_URL_KMS", problem);
    }
    let trust = trust_store(settings, &region, endpoint.as_ref())?;
    let session = Some(session).filter(|token| !token.is_empty());
    let credentials = Credentials::new(key_id, secret, session, None, "environment");
    let retries = RetryConfig::standard()
        .with_max_attempts(MAX_ATTEMPTS)
        .with_initial_backoff(INITIAL_BACKOFF)
        .with_max_backoff(MAX_BACKOFF);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region))
        .use_fips(fips)
        .use_dual_stack(dual_stack)
        // The bodies of KMS are a few kilobytes: the attempt's timeout is enough.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // Lambda sets new credentials by starting a new environment.
        .identity_cache(IdentityCache::no_cache())
        .retry_config(retries)
        .timeout_config(timeouts)
        .http_client(http_client(trust, concurrency));
    config.set_endpoint_url(endpoint.map(|endpoint| endpoint.url));
    Some(config.build())
}

/// One connector for every operation: the SDK would build one for each set of timeouts.
fn http_client(trust: TrustStore, concurrency: NonZero<u16>) -> SharedHttpClient {
    let timeouts = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let tls = TlsContext::builder().with_trust_store(trust).build().unwrap_or_default();
    let connector = Connector::builder()
        .connector_settings(timeouts)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // More idle connections than invocations at once would only be more connections that the
        // network may have dropped while the environment was frozen: each of them costs an attempt.
        .pool_max_idle_per_host(usize::from(concurrency.get()))
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build();
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

/// The certificate authorities to trust: named as for the AWS CLI and OpenSSL, else by the endpoint.
fn trust_store(
    settings: &mut Settings,
    region: &str,
    endpoint: Option<&Endpoint>,
) -> Option<TrustStore> {
    let bundle: Option<String> = settings.optional_variable("AWS_CA_BUNDLE")?;
    let (file, directory): (Option<String>, Option<String>) =
        (settings.optional_variable("SSL_CERT_FILE")?, settings.optional_variable("SSL_CERT_DIR")?);
    let roots = match (bundle, endpoint) {
        // Without TLS there is nothing to trust.
        (_, Some(endpoint)) if !endpoint.is_https => return Some(TrustStore::empty()),
        (Some(bundle), _) => Roots::File(bundle),
        (None, Some(_)) => Roots::System,
        (None, None) if file.is_some() || directory.is_some() => Roots::System,
        (None, None) => Roots::of_region(region),
    };
    match roots.load() {
        Ok(store) => Some(store),
        Err(problem) => settings.variable_problem("AWS_CA_BUNDLE", problem),
    }
}

/// Text that is a header's value as it stands.
#[derive(Default)]
struct HeaderValue(String);

impl FromStr for HeaderValue {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        visible.then(|| Self(text.to_owned())).ok_or("must have visible ASCII characters only")
    }
}

/// An endpoint of KMS that takes the place of the one in AWS.
///
/// It decides which tokens are valid, so the network in between must not be able to answer for it.
#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    url: String,
    is_https: bool,
    /// Docker's name for the machine on which a container runs.
    is_docker_host: bool,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let uri: Uri = url.parse().map_err(|_| NOT_A_URL)?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) =
            (uri.scheme_str(), uri.authority())
        else {
            return Err(NOT_A_URL);
        };
        let host = authority.host();
        // No user name and password, and a port only as a number.
        let is_plain = authority.as_str() == host || authority.port_u16().is_some();
        if !is_plain || authority.as_str().contains('@') || url.contains(['?', '#']) {
            return Err(NOT_A_URL);
        }
        let is_https = scheme == "https";
        let is_docker_host = !is_https && host == "host.docker.internal";
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        if is_https || is_local || is_docker_host {
            Ok(Self { url: url.to_owned(), is_https, is_docker_host })
        } else {
            Err("must be https unless it is on this machine")
        }
    }
}

const NOT_A_URL: &str = "must be an http or https URL without a query";
/// KMS is in the same Region: a connection takes a few milliseconds. Shorter than an attempt, so that
/// an attempt that has to connect has time left for its request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A signature takes KMS some tens of milliseconds. All attempts and the pauses between them take 4.05 s
/// at most: a client that waits for 5 s still gets a response.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1300);
/// The longer a connection is idle, the likelier the network has dropped it.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// One for a connection that the other side has closed, one for bad luck. More would only add to the
/// load of a KMS that throttles.
const MAX_ATTEMPTS: u32 = 3;
/// The SDK's default of 1 s is for batch work; here a client waits.
const INITIAL_BACKOFF: Duration = Duration::from_millis(50);
/// Also the most that is granted to an `x-amz-retry-after` header.
const MAX_BACKOFF: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let remote = Err("must be https unless it is on this machine");
        let not_a_url = Err(NOT_A_URL);
        let rows = [
            ("https://kms.eu-west-1.amazonaws.com", Ok(())),
            ("http://127.0.0.1:4566", Ok(())),
            ("http://127.0.0.1:4566/", Ok(())),
            ("http://127.0.0.1:4566/kms", Ok(())),
            ("http://[::1]:4566", Ok(())),
            ("http://localhost:4566", Ok(())),
            ("http://localhost", Ok(())),
            ("HTTP://LOCALHOST", remote),
            ("HTTPS://kms.example", Ok(())),
            ("http://10.0.0.1:4566", remote),
            ("http://kms.example", remote),
            ("http://localhost.example:4566", remote),
            ("http://127.0.0.1@kms.example", not_a_url),
            ("http://127.0.0.1:80@kms.example", not_a_url),
            ("https://user@kms.example", not_a_url),
            ("127.0.0.1:4566", not_a_url),
            ("ftp://127.0.0.1", not_a_url),
            ("https://", not_a_url),
            ("https://kms.example/?a=b", not_a_url),
            ("https://kms.example/#a", not_a_url),
            ("https://kms.example/ ", not_a_url),
            ("https://kms.example/ HTTP/1.1\r\nx: y", not_a_url),
            ("http://localhost\n", not_a_url),
            ("https://kms.example:many", not_a_url),
        ];
        for (url, expected) in rows {
            assert_eq!(url.parse::<Endpoint>().map(|_| ()), expected, "{url}");
        }
    }

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
    fn value_with_a_line_break_is_no_header_value() {
        let rows =
            [("token", true), ("", true), ("a b", false), ("a\r\nb: c", false), ("é", false)];
        for (text, expected) in rows {
            assert_eq!(text.parse::<HeaderValue>().is_ok(), expected, "{text:?}");
        }
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
            for (value, expected) in [("a", true), ("a\n", false)] {
                let found = connect(&mut settings(&[(name, value)])).is_some();
                assert_eq!(found, expected, "{name} {value:?}");
            }
        }
    }

    #[test]
    fn docker_host_is_this_machine_only_in_sam_local() {
        let docker = ("AWS_ENDPOINT_URL_KMS", "http://host.docker.internal:4566");
        for (sam, expected) in [("true", true), ("", false), ("false", false)] {
            let mut settings = settings(&[docker, ("AWS_SAM_LOCAL", sam)]);
            assert_eq!(connect(&mut settings).is_some(), expected, "{sam:?}");
        }
    }

    #[test]
    fn endpoint_of_kms_comes_before_the_endpoint_of_all_services() {
        let (own, all) = ("http://127.0.0.1:1", "http://127.0.0.1:2");
        let rows =
            [(own, all, Some(own)), ("", all, Some(all)), (own, "", Some(own)), ("", "", None)];
        for (of_kms, of_all, expected) in rows {
            let values = [("AWS_ENDPOINT_URL_KMS", of_kms), ("AWS_ENDPOINT_URL", of_all)];
            let config = config(&mut settings(&values)).unwrap();
            assert_eq!(config.endpoint_url(), expected, "{of_kms:?} {of_all:?}");
        }
    }

    #[test]
    fn fips_and_dual_stack_reach_the_sdk() {
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
            let config = config(&mut settings(&values));
            let found = config.map(|config| {
                (config.use_fips() == Some(true), config.use_dual_stack() == Some(true))
            });
            assert_eq!(found, expected, "{fips:?} {dual_stack:?}");
        }
    }
}
