use std::{net::IpAddr, str::FromStr, time::Duration};

use aws_sdk_kms::{
    Client, Config,
    config::{
        BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use rustls::ClientConfig;

use crate::{
    Calls, Settings,
    calls::Place,
    connector::Connector,
    trust::{self, Roots},
};

/// A client for a Lambda function, from the environment that Lambda gives it and from nothing
/// else: no profile, no metadata service, nothing that could wait for an answer that never comes.
///
/// `None` means that a problem was noted.
pub fn connect(settings: &mut Settings) -> Option<Client> {
    read(settings).map(|(endpoint, place)| client(endpoint, place))
}

/// The same for the calls that a ring needs.
pub(crate) fn calls(settings: &mut Settings) -> Option<Calls> {
    let (endpoint, mut place) = read(settings)?;
    match endpoint.or_else(|| public_endpoint(place.region.as_ref())) {
        Some(url) => {
            place.url = url;
            Some(Calls::direct(place))
        }
        None => Some(client(None, place).into()),
    }
}

fn client(endpoint: Option<String>, place: Place) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(place.region)
        .http_client(place.connector)
        // It would find a body that stalls after 20 s: an attempt is given up long before.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .credentials_provider(place.credentials)
        .timeout_config(place.timeouts)
        .retry_config(place.retries);
    let config = match endpoint {
        Some(url) => config.endpoint_url(url),
        None => config,
    };
    Client::from_conf(config.build())
}

/// Where the public Regions of AWS and its US government's have KMS; of others the SDK knows more.
fn public_endpoint(region: &str) -> Option<String> {
    let (area, _) = region.split_once('-')?;
    let public = ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"].contains(&area);
    let isolated = region.contains("iso");
    (public && !isolated).then(|| format!("https://kms.{region}.amazonaws.com"))
}

fn read(settings: &mut Settings) -> Option<(Option<String>, Place)> {
    let (Some(region), Some(key_id), Some(secret), Some(session), Some(anywhere), Some(endpoint)) = (
        settings.required::<String>("AWS_REGION"),
        settings.required::<String>("AWS_ACCESS_KEY_ID"),
        settings.required::<String>("AWS_SECRET_ACCESS_KEY"),
        settings.optional("AWS_SESSION_TOKEN", String::new()),
        settings.optional("AWS_ENDPOINT_URL", Endpoint::default()),
        settings.optional("AWS_ENDPOINT_URL_KMS", Endpoint::default()),
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
    let is_plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.url.starts_with("http:"));
    let tls = if is_plain { None } else { Some(tls(settings)?) };
    let session = Some(session).filter(|token| !token.is_empty());
    let place = Place {
        url: String::new(),
        region: Region::new(region),
        credentials: Credentials::new(key_id, secret, session, None, "environment"),
        connector: Connector::new(tls),
        timeouts: TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build(),
        retries: RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(FIRST_BACKOFF)
            .with_max_backoff(LAST_BACKOFF),
    };
    Some((endpoint.map(|endpoint| endpoint.url), place))
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

/// Where KMS is, when it is not where AWS has it.
///
/// Whoever can set it decides which tokens are good, so the network in between must not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Endpoint {
    url: String,
    /// Docker's name for the machine that a container runs on.
    around_container: bool,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let host = match url.split_once("://") {
            Some(("https", _)) => return Ok(Self { url: url.to_owned(), around_container: false }),
            Some(("http", rest)) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
            _ => return Err("must be an http or https URL"),
        };
        let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = name.map_or(host, |(name, _)| name);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let around_container = name == "host.docker.internal";
        let here = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
        if here || around_container {
            Ok(Self { url: url.to_owned(), around_container })
        } else {
            Err("must be https unless it is on this machine")
        }
    }
}

/// KMS is in the same Region: a connection takes a few milliseconds or is not to be had. Within an
/// attempt, so that an attempt that has to connect has time left to ask.
const CONNECT: Duration = Duration::from_secs(1);
/// A signature takes KMS some tens of milliseconds; an attempt that takes this long is lost.
const ATTEMPT: Duration = Duration::from_millis(1500);
/// All attempts together, so that a caller who waits for 5 s still gets an answer: two that are
/// lost, and a third with a second left for it.
const OPERATION: Duration = Duration::from_secs(4);
/// The first, one for a connection that the other side has forgotten, and one for bad luck. More
/// would only add to the load of a KMS that throttles.
const ATTEMPTS: u32 = 3;
/// The SDK's default of 1 s is for batch work; a request is waiting behind this one. The SDK waits
/// for a random part of it, so that those who were throttled together do not come again together.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// What doubling leads to at most, or a wish of KMS (`x-amz-retry-after`): a tenth of what a caller
/// waits.
const LAST_BACKOFF: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    use super::*;

    #[tokio::test]
    async fn public_endpoints_are_those_of_the_sdk() {
        let regions = [
            ("us-east-1", true),
            ("eu-central-2", true),
            ("ap-southeast-7", true),
            ("ca-west-1", true),
            ("mx-central-1", true),
            ("us-gov-west-1", true),
            ("cn-north-1", false),
            ("us-iso-east-1", false),
            ("us-isob-east-1", false),
            ("eu-isoe-west-1", false),
            ("us-isof-south-1", false),
            ("eusc-de-east-1", false),
            ("somewhere", false),
        ];
        for (region, is_public) in regions {
            let params = Params::builder().region(region).build().unwrap();
            let expected = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
            let found = public_endpoint(region);
            assert_eq!(found.is_some(), is_public, "{region}");
            assert!(found.is_none_or(|found| found == expected.url()), "{region}");
        }
    }

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
            ("http://10.0.0.1:4566", remote),
            ("http://kms.example", remote),
            ("http://localhost.example:4566", remote),
            ("http://127.0.0.1@kms.example", remote),
            ("http://127.0.0.1:80@kms.example", remote),
            ("127.0.0.1:4566", not_a_url),
            ("ftp://127.0.0.1", not_a_url),
        ];
        for (url, expected) in rows {
            assert_eq!(url.parse::<Endpoint>().map(|_| ()), expected, "{url}");
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
}
