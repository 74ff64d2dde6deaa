//! Requests to providers: no redirect, and a limit for everything that a provider decides.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};

use crate::ProviderUrl;

/// An HTTP client for metadata and key sets. Clones share their connections.
///
/// ```no_run
/// use std::time::Duration;
///
/// use countersign_oidc::{FetchLimits, HttpClient, ProviderUrl, ProxyConfig, Transport, TrustStore};
///
/// # async fn fetch() -> Result<(), Box<dyn std::error::Error>> {
/// // The root certificates of the system, and the proxies of the environment variables.
/// let http = HttpClient::new(TrustStore::default(), ProxyConfig::from_env());
/// let url = ProviderUrl::parse("https://issuer.example/keys", Transport::Https)?;
/// let keys = http.get(&url, FetchLimits::within(Duration::from_secs(3))).await?;
/// println!("{} bytes", keys.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpClient(Arc<LazyConnector>);

/// Created with the first request: reading the root certificates of the system takes longer than the rest of the start
/// of a function, and most of its requests need no provider.
type LazyConnector = LazyLock<SharedHttpConnector, Box<dyn FnOnce() -> SharedHttpConnector + Send>>;

/// The limits of a response, in time and memory.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// The time at which the whole response must have arrived.
    pub deadline: Instant,
    /// The maximum length of its body, in bytes.
    pub max_bytes: usize,
}

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection, or it was closed before the response.
    #[error("the server cannot be reached")]
    Connection(#[source] ConnectorError),
    /// The connection was closed within the response.
    #[error("the response is incomplete")]
    Incomplete(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The response was not complete at the deadline.
    #[error("no complete response in time")]
    Timeout,
    /// A redirect, which is not followed: an attacker who controls one path of a server could redirect to other keys.
    #[error(
        "the response is a redirect (status {status}) to {location:?}: redirects are not followed: use the final URL"
    )]
    Redirect {
        /// The status.
        status: u16,
        /// The start of the URL that the server names.
        location: String,
    },
    /// A status other than success.
    #[error("the response has the status {0}")]
    Status(u16),
    /// A longer body than allowed.
    #[error("the response has more than {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
}

impl HttpClient {
    /// A client that trusts these root certificates and uses these proxies.
    ///
    /// Nothing is read before the first request.
    #[must_use]
    pub fn new(trust: TrustStore, proxies: ProxyConfig) -> Self {
        let connector = move || {
            let tls = TlsContext::builder().with_trust_store(trust).build().unwrap_or_default();
            let connector = Connector::builder()
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(1)
                .proxy_config(proxies)
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(tls)
                .build();
            SharedHttpConnector::new(connector)
        };
        Self(Arc::new(LazyLock::new(Box::new(connector))))
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// [`FetchError`] if there is no successful and complete response within the limits.
    pub async fn get(&self, url: &ProviderUrl, limits: FetchLimits) -> Result<Vec<u8>, FetchError> {
        let fetch = self.fetch(url, limits.max_bytes);
        timeout_at(limits.deadline, fetch).await.map_err(|_| FetchError::Timeout)?
    }

    async fn fetch(&self, url: &ProviderUrl, max_bytes: usize) -> Result<Vec<u8>, FetchError> {
        let invalid = |error| FetchError::Connection(ConnectorError::user(error));
        let request = Request::get(url.uri().clone())
            .header("accept", "application/json, */*")
            .header("user-agent", USER_AGENT)
            .body(SdkBody::empty())
            .map_err(|error| invalid(error.into()))?;
        let request = HttpRequest::try_from(request).map_err(|error| invalid(error.into()))?;
        let response = self.0.call(request).await.map_err(FetchError::Connection)?;
        match response.status().as_u16() {
            200..300 => {}
            status @ 300..400 => {
                let location = response.headers().get("location").unwrap_or("an unknown URL");
                let location = location.chars().take(MAX_LOCATION_CHARS).collect();
                return Err(FetchError::Redirect { status, location });
            }
            status => return Err(FetchError::Status(status)),
        }
        match Limited::new(response.into_body(), max_bytes).collect().await {
            Ok(body) => Ok(body.to_bytes().into()),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLong { max_bytes }),
            Err(error) => Err(FetchError::Incomplete(error)),
        }
    }
}

impl From<SharedHttpConnector> for HttpClient {
    /// A client with the connections of another part of the program.
    fn from(connector: SharedHttpConnector) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(move || connector))))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl FetchLimits {
    /// The limits of a response within this time from now on, with at most [`MAX_BYTES`](Self::MAX_BYTES).
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self { deadline: Instant::now() + time, max_bytes: Self::MAX_BYTES }
    }

    /// More than a hundred keys with their certificates.
    pub const MAX_BYTES: usize = 512 * 1024;
}

impl FetchError {
    /// Whether the server did not respond with a document, so that the document itself may be valid.
    pub(crate) const fn is_unreachable(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Incomplete(_) | Self::Timeout => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            Self::Redirect { .. } | Self::TooLong { .. } => false,
        }
    }
}

const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// Long enough for the keys after the metadata. A longer one would outlast the freeze of an execution environment,
/// during which the network drops connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_LOCATION_CHARS: usize = 200;
