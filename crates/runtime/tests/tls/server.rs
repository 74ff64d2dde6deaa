//! An HTTPS server in front of a local KMS.

use std::{convert::Infallible, sync::Arc, time::Duration};

use countersign_runtime::Settings;
use kms::{Client, Fault, Keyring};
use local::kms::Kms;
use rustls::{
    HandshakeKind, ServerConfig, SupportedCipherSuite,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::json;
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub(crate) fn config(identity: CertifiedKey, suites: &[SupportedCipherSuite]) -> ServerConfig {
    let provider = CryptoProvider { cipher_suites: suites.to_vec(), ..default_provider() };
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
}

/// A TLS proxy in front of a local KMS, for one connection at a time.
pub(crate) struct Server {
    pub(crate) kms: Kms,
    key: String,
    listener: TcpListener,
    pub(crate) config: Arc<ServerConfig>,
    open: Option<(TlsStream<TcpStream>, TcpStream)>,
    /// The kind of each successful handshake.
    pub(crate) handshakes: Vec<HandshakeKind>,
}

impl Server {
    pub(crate) async fn new(config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kms = Kms::start(listener, "us-east-1", None).unwrap();
        let input = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
        let created = kms.perform("CreateKey", &input).unwrap();
        let key = created.pointer("/KeyMetadata/KeyId").and_then(|id| id.as_str()).unwrap();
        let (key, listener) = (key.to_owned(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        Self { kms, key, listener, config: Arc::new(config), open: None, handshakes: Vec::new() }
    }

    /// The KMS client of a function, with additional settings for its trust.
    pub(crate) fn client(&self, trust: &[(&str, &str)]) -> Client {
        let endpoint = format!("https://localhost:{}", self.listener.local_addr().unwrap().port());
        let values = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_KMS", &endpoint),
        ];
        let all = values.iter().chain(trust);
        let mut settings: Settings =
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        countersign_runtime::connect(&mut settings).unwrap()
    }

    /// Loads a ring of one key, which takes one call.
    pub(crate) async fn load(&mut self, client: &Client) -> Result<(), Fault> {
        let name = self.key.parse().unwrap();
        let keyring = Arc::new(Keyring::new(client.clone(), name, None, Duration::from_hours(1)));
        tokio::select! {
            ring = keyring.ring() => ring.map(|_| ()),
            never = self.serve() => match never {},
        }
    }

    /// Ends the open connection.
    pub(crate) async fn end(&mut self, end: End) {
        let (inner, _) = self.open.as_mut().unwrap();
        match end {
            End::None => {}
            End::TlsAndTcp => inner.shutdown().await.unwrap(),
            End::TlsOnly => {
                inner.get_mut().1.send_close_notify();
                inner.flush().await.unwrap();
            }
            End::TcpOnly => inner.get_mut().0.shutdown().await.unwrap(),
            End::Reset => {
                inner.get_ref().0.set_zero_linger().unwrap();
                self.open = None;
            }
        }
    }

    async fn serve(&mut self) -> Infallible {
        loop {
            if let Some((inner, outer)) = &mut self.open {
                // Returns when one side ends the connection.
                let _ = copy_bidirectional(inner, outer).await;
            }
            self.open = None;
            let (stream, _) = self.listener.accept().await.unwrap();
            // Sends the end of a connection without delay.
            stream.set_nodelay(true).unwrap();
            let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
            let Ok(inner) = acceptor.accept(stream).await else { continue };
            self.handshakes.push(inner.get_ref().1.handshake_kind().unwrap());
            self.open = Some((inner, TcpStream::connect(self.kms.address()).await.unwrap()));
        }
    }
}

/// How the server ends a connection.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// The connection stays open.
    None,
    /// With `close_notify` and then FIN, as in RFC 8446 section 6.1.
    TlsAndTcp,
    /// With `close_notify` and without FIN.
    TlsOnly,
    /// With FIN and without `close_notify`.
    TcpOnly,
    /// With RST.
    Reset,
}
