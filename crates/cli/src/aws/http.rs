//! The HTTP client of all commands: proxies, certificate authorities and timeouts.

use std::time::Duration;

use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};

/// A connector for KMS, for other AWS services and for key sets.
pub(crate) fn connector(trust: TrustStore) -> SharedHttpConnector {
    with_proxies(ProxyConfig::from_env(), trust)
}

/// A connector that uses no proxy.
pub(super) fn direct_connector(trust: TrustStore) -> SharedHttpConnector {
    with_proxies(ProxyConfig::disabled(), trust)
}

fn with_proxies(proxies: ProxyConfig, trust: TrustStore) -> SharedHttpConnector {
    let timeouts = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let tls = TlsContext::builder().with_trust_store(trust).build().unwrap_or_default();
    let connector = Connector::builder()
        .connector_settings(timeouts)
        .proxy_config(proxies)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build();
    SharedHttpConnector::new(connector)
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
