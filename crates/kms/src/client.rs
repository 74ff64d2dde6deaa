use std::{net::IpAddr, str::FromStr, time::Duration};

use aws_sdk_kms::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, SharedCredentialsProvider,
        StalledStreamProtectionConfig, retry::RetryConfig,
    },
};
use aws_types::SdkConfig;
use rustls::ClientConfig;

use crate::{
    Calls, Settings,
    carrier::Carrier,
    connector::Connector,
    outgoing::Target,
    trust::{self, Roots},
};

/// A client for a Lambda function, from the environment that Lambda gives it and from nothing
/// else: no profile, no metadata service, nothing that could wait for an answer that never comes.
///
/// `None` means that a problem was noted.
pub fn connect(settings: &mut Settings) -> Option<Client> {
    let (config, connector) = read(settings)?;
    Some(Client::new(&config.to_builder().http_client(connector).build()))
}

/// The same for the calls that a ring needs.
pub fn calls(settings: &mut Settings) -> Option<Calls> {
    let (config, connector) = read(settings)?;
    match Calls::over(&config, Carrier::Own(connector)) {
        Ok(calls) => Some(calls),
        Err(problem) => settings.problem("AWS_REGION", problem),
    }
}

fn read(settings: &mut Settings) -> Option<(SdkConfig, Connector)> {
    let (Some(region), Some(key_id), Some(secret), Some(session), Some(anywhere), Some(endpoint)) = (
        settings.required("AWS_REGION"),
        settings.required("AWS_ACCESS_KEY_ID"),
        settings.required::<String>("AWS_SECRET_ACCESS_KEY"),
        settings.optional("AWS_SESSION_TOKEN", Visible::default()),
        settings.optional("AWS_ENDPOINT_URL", Endpoint::default()),
        settings.optional("AWS_ENDPOINT_URL_KMS", Endpoint::default()),
    ) else {
        return None;
    };
    let (Some(fips), Some(dual_stack)) = (
        settings.optional("AWS_USE_FIPS_ENDPOINT", false),
        settings.optional("AWS_USE_DUALSTACK_ENDPOINT", false),
    ) else {
        return None;
    };
    let endpoint = [endpoint, anywhere].into_iter().find(|url| !url.url.is_empty());
    let in_sam: String = settings.optional("AWS_SAM_LOCAL", String::new())?;
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.around_container) && in_sam != "true" {
        let problem = "host.docker.internal is this machine only in sam local's containers";
        return settings.problem("AWS_ENDPOINT_URL_KMS", problem);
    }
    // A connection that nobody else can hear needs none.
    let is_plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.is_plain);
    let tls = if is_plain { None } else { Some(tls(settings)?) };
    let [Visible(region), Visible(key_id), Visible(session)] = [region, key_id, session];
    let session = Some(session).filter(|token| !token.is_empty());
    let credentials = Credentials::new(key_id, secret, session, None, "environment");
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LAST_BACKOFF);
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region))
        .use_fips(fips)
        .use_dual_stack(dual_stack)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(retries);
    config.set_endpoint_url(endpoint.map(|endpoint| endpoint.url));
    Some((config.build(), Connector::new(tls)))
}

/// The certificates that KMS may show, as the AWS CLI and OpenSSL are told.
fn tls(settings: &mut Settings) -> Option<ClientConfig> {
    let bundle: Option<String> = settings.choice("AWS_CA_BUNDLE")?;
    let (cert_file, cert_dir): (Option<String>, Option<String>) =
        (settings.choice("SSL_CERT_FILE")?, settings.choice("SSL_CERT_DIR")?);
    let roots = match bundle {
        Some(bundle) => Roots::File(bundle),
        None if cert_file.is_some() || cert_dir.is_some() => Roots::System,
        None => Roots::Amazon,
    };
    match trust::client(&roots) {
        Ok(tls) => Some(tls),
        Err(problem) => settings.problem("AWS_CA_BUNDLE", problem),
    }
}

/// What goes into a header as it is.
#[derive(Default)]
struct Visible(String);

impl FromStr for Visible {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        visible.then(|| Self(text.to_owned())).ok_or("must be of visible ASCII characters")
    }
}

/// Where KMS is, when it is not where AWS has it.
///
/// Whoever can set it decides which tokens are good, so the network in between must not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Endpoint {
    url: String,
    /// Without TLS.
    is_plain: bool,
    /// Docker's name for the machine that a container runs on.
    around_container: bool,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let Target { host, tls, .. } = Target::read(url).ok_or("must be an http or https URL")?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let around_container = !tls && host == "host.docker.internal";
        let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        if tls || here || around_container {
            Ok(Self { url: url.to_owned(), is_plain: !tls, around_container })
        } else {
            Err("must be https unless it is on this machine")
        }
    }
}

/// The first, one for a connection that the other side has forgotten, and one for bad luck. More
/// would only add to the load of a KMS that throttles. Each is as long as the connector lets it be.
const ATTEMPTS: u32 = 3;
/// The SDK's default of 1 s is for batch work; a request is waiting behind this one. The SDK waits
/// for a random part of it, so that those who were throttled together do not come again together.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// What doubling leads to at most, or a wish of KMS (`x-amz-retry-after`): whoever waits for an answer
/// has 5 s for three attempts.
const LAST_BACKOFF: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let remote = Err("must be https unless it is on this machine");
        let not_a_url = Err("must be an http or https URL");
        let rows = [
            ("https://kms.eu-west-1.amazonaws.com", Ok(())),
            ("http://127.0.0.1:4566", Ok(())),
            ("http://127.0.0.1:4566/", Ok(())),
            ("http://[::1]:4566", Ok(())),
            ("http://localhost:4566", Ok(())),
            ("http://localhost", Ok(())),
            ("HTTP://LOCALHOST", remote),
            ("HTTPS://kms.example", Ok(())),
            ("http://10.0.0.1:4566", remote),
            ("http://kms.example", remote),
            ("http://localhost.example:4566", remote),
            ("http://127.0.0.1@kms.example", remote),
            ("http://127.0.0.1:80@kms.example", not_a_url),
            ("127.0.0.1:4566", not_a_url),
            ("ftp://127.0.0.1", not_a_url),
            ("https://kms.example/ ", not_a_url),
            ("https://kms.example/ HTTP/1.1\r\nx: y", not_a_url),
            ("http://localhost\n", not_a_url),
            ("https://kms.example:many", not_a_url),
        ];
        for (url, expected) in rows {
            assert_eq!(url.parse::<Endpoint>().map(|_| ()), expected, "{url}");
        }
    }

    #[test]
    fn what_goes_into_a_header_has_no_other_header_in_it() {
        let rows =
            [("token", true), ("", true), ("a b", false), ("a\r\nb: c", false), ("é", false)];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Visible>().is_ok(), expected, "{text:?}");
        }
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
            for (value, expected) in [("a", true), ("a\n", false)] {
                let known = [
                    ("AWS_REGION", "us-east-1"),
                    ("AWS_ACCESS_KEY_ID", "k"),
                    ("AWS_SECRET_ACCESS_KEY", "s"),
                    ("AWS_ENDPOINT_URL_KMS", "http://localhost"),
                    (name, value),
                ];
                let known = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let found = calls(&mut known.into_iter().collect()).is_some();
                assert_eq!(found, expected, "{name} {value:?}");
            }
        }
    }

    #[test]
    fn a_container_s_machine_is_this_one_only_for_sam() {
        let settings = |sam: &str| {
            [
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "k"),
                ("AWS_SECRET_ACCESS_KEY", "s"),
                ("AWS_ENDPOINT_URL_KMS", "http://host.docker.internal:4566"),
                ("AWS_SAM_LOCAL", sam),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<Settings>()
        };
        for (sam, expected) in [("true", true), ("", false), ("false", false)] {
            assert_eq!(connect(&mut settings(sam)).is_some(), expected, "{sam:?}");
        }
    }

    #[test]
    fn wishes_for_an_endpoint_count() {
        let settings = |fips: &str, dual_stack: &str| {
            [
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "k"),
                ("AWS_SECRET_ACCESS_KEY", "s"),
                ("AWS_USE_FIPS_ENDPOINT", fips),
                ("AWS_USE_DUALSTACK_ENDPOINT", dual_stack),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<Settings>()
        };
        let rows = [
            ("", "", Some((false, false))),
            ("true", "false", Some((true, false))),
            ("", "true", Some((false, true))),
            ("yes", "", None),
            ("", "1", None),
        ];
        for (fips, dual_stack, expected) in rows {
            let config = read(&mut settings(fips, dual_stack));
            let found = config.map(|(config, _)| {
                (config.use_fips() == Some(true), config.use_dual_stack() == Some(true))
            });
            assert_eq!(found, expected, "{fips:?} {dual_stack:?}");
        }
    }
}
