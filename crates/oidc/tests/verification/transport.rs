//! Proxies, and the certificates of providers.

use std::{error::Error, iter, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_oidc::{
    FetchError, FetchLimits, HttpClient, ProviderUrl, ProxyConfig, Transport, TrustStore,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::json;

use crate::provider::Provider;

async fn get(http: &HttpClient, url: &str) -> Result<String, FetchError> {
    let url = ProviderUrl::parse(url, Transport::Http).unwrap();
    let body = http.get(&url, FetchLimits::within(Duration::from_secs(3))).await?;
    Ok(String::from_utf8(body).unwrap())
}

fn is_connection_error(result: &Result<String, FetchError>) -> bool {
    matches!(result, Err(FetchError::Connection(_)))
}

#[tokio::test]
async fn proxy_is_used_except_for_hosts_in_no_proxy() {
    let proxy = Provider::start(&[]).await;
    let direct = Provider::start(&[json!({})]).await;
    let config = ProxyConfig::http(&*proxy.url).unwrap().no_proxy("127.0.0.1,other.invalid");
    let http = HttpClient::new(TrustStore::empty(), config);
    assert_eq!(get(&http, "http://keys.invalid/keys").await.unwrap(), r#"{"keys":[]}"#);
    assert_eq!(proxy.take_requests(), 1);
    assert_eq!(get(&http, &format!("{}/keys", direct.url)).await.unwrap(), r#"{"keys":[{}]}"#);
    let without = get(&http, "http://other.invalid/keys").await;
    assert!(is_connection_error(&without), "{without:?}");
    assert_eq!((proxy.take_requests(), direct.take_requests()), (0, 1));
}

/// A certificate authority.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn pem(certificate: &[u8]) -> String {
    let body = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

/// A server with a certificate of the authority for `localhost`.
fn server(authority: &CertifiedIssuer<'_, KeyPair>) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], key)
        .unwrap()
}

#[tokio::test]
async fn provider_must_have_a_certificate_that_is_trusted() {
    let (own, other) = (authority(), authority());
    let provider = Provider::start_tls(&[], server(&own)).await;
    let trusting = |authority: &CertifiedIssuer<'_, KeyPair>| {
        let bundle = TrustStore::empty().with_pem_certificate(pem(authority.der()));
        HttpClient::new(bundle, ProxyConfig::disabled())
    };
    let keys = format!("{}/keys", provider.url);
    assert_eq!(get(&trusting(&own), &keys).await.unwrap(), r#"{"keys":[]}"#);
    assert_eq!(provider.take_requests(), 1);

    let by_address = keys.replace("localhost", "127.0.0.1");
    let rows = [
        ("another authority", trusting(&other), &keys, "invalid peer certificate"),
        ("another name", trusting(&own), &by_address, "not valid for name"),
    ];
    for (name, http, url, expected) in rows {
        let error = get(&http, url).await.unwrap_err();
        let source: Option<&dyn Error> = Some(&error);
        let chain: Vec<_> =
            iter::successors(source, |&error| error.source()).map(ToString::to_string).collect();
        assert!(chain.last().unwrap().contains(expected), "{name}: {chain:?}");
    }
    let system = HttpClient::new(TrustStore::default(), ProxyConfig::disabled());
    let untrusted = get(&system, &keys).await;
    assert!(is_connection_error(&untrusted), "{untrusted:?}");
    assert_eq!(provider.take_requests(), 0);
}
