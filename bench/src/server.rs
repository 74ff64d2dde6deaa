//! Serves KMS and documents over HTTP and HTTPS, without a delay or with the delay of KMS in AWS.

use std::{
    collections::HashMap,
    error::Error,
    fs, io,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use local::kms::Kms;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::spawn_blocking,
};
use tokio_rustls::TlsAcceptor;

/// An address for clients.
pub struct ServerAddress {
    scheme: &'static str,
    /// Host and port.
    pub host: String,
}

impl ServerAddress {
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    pub fn jwks_uri(&self) -> String {
        self.url() + JWKS_PATH
    }
}

/// The state of the server.
pub struct Service {
    pub kms: Arc<Kms>,
    /// JSON documents by path.
    documents: RwLock<HashMap<String, String>>,
    calls: AtomicU64,
}

impl Service {
    /// `jwk_set` has the keys that sign tokens, as JSON.
    pub fn new(kms: Arc<Kms>, jwk_set: String) -> Self {
        let documents = HashMap::from([(JWKS_PATH.to_owned(), jwk_set)]);
        Self { kms, documents: RwLock::new(documents), calls: AtomicU64::new(0) }
    }

    /// Serves a JSON document at this path.
    pub fn publish(&self, path: String, document: String) {
        self.documents.write().unwrap_or_else(PoisonError::into_inner).insert(path, document);
    }

    /// The number of requests to KMS so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.method() == Method::GET {
            let documents = self.documents.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(document) = documents.get(request.uri().path()) {
                return Response::new(document.clone().into());
            }
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.kms.respond(request)
    }
}

/// The same server with and without TLS.
pub struct Endpoints {
    pub http: ServerAddress,
    pub https: ServerAddress,
}

/// Serves over HTTP and HTTPS.
///
/// `delay` is the time from the end of a request to its response. Connections and TLS handshakes are not delayed. In
/// AWS they take round trips, so a first response takes longer there.
pub async fn start(
    service: &Arc<Service>,
    tls: &TlsAcceptor,
    delay: Duration,
) -> io::Result<Endpoints> {
    let http = listen(service, None, delay).await?;
    let https = listen(service, Some(tls), delay).await?;
    Ok(Endpoints { http, https })
}

/// TLS with a chain of three certificates as in AWS: root, intermediate and leaf, all RSA. Writes
/// the root as PEM to `authority`.
pub fn tls(authority: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let key = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
    let issuer = |name: &str, length: u8| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        params
    };
    let root = CertifiedIssuer::self_signed(issuer("Benchmark Root", 1), key()?)?;
    let intermediate = CertifiedIssuer::signed_by(issuer("Benchmark M01", 0), key()?, &root)?;
    let leaf_key = key()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names)?.signed_by(&leaf_key, &intermediate)?;
    fs::write(authority, root.pem())?;
    let chain = vec![leaf.der().clone(), intermediate.der().clone()];
    let key = PrivateKeyDer::try_from(leaf_key.serialize_der())?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn listen(
    service: &Arc<Service>,
    tls: Option<&TlsAcceptor>,
    delay: Duration,
) -> io::Result<ServerAddress> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let (service, tls) = (Arc::clone(service), tls.cloned());
    let endpoint = match tls {
        None => ServerAddress { scheme: "http", host: format!("127.0.0.1:{port}") },
        Some(_) => ServerAddress { scheme: "https", host: format!("localhost:{port}") },
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (tls, service) = (tls.clone(), Arc::clone(&service));
            tokio::spawn(async move {
                match tls {
                    None => serve(&service, stream, delay).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(&service, stream, delay).await;
                        }
                    }
                }
            });
        }
    });
    Ok(endpoint)
}

async fn serve(service: &Service, stream: impl AsyncRead + AsyncWrite + Unpin, delay: Duration) {
    let respond = service_fn(|request: Request<Incoming>| async {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let due = Instant::now() + delay;
        let response = service.respond(&Request::from_parts(head, body));
        if !delay.is_zero() {
            sleep_until(due).await?;
        }
        Ok::<_, io::Error>(response.map(Full::new))
    });
    // An error means that the client closed the connection.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), respond).await;
}

/// Sleeps in a thread, because the timers of tokio have a resolution of one millisecond.
async fn sleep_until(due: Instant) -> io::Result<()> {
    let sleep = move || thread::sleep(due.saturating_duration_since(Instant::now()));
    spawn_blocking(sleep).await.map_err(io::Error::other)
}

const JWKS_PATH: &str = "/.well-known/jwks.json";
