//! What the functions find when they are called: KMS over HTTP and HTTPS, keys, tokens, events.

use std::{
    convert::Infallible,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
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
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// KMS with one ring, and what else the functions are told.
pub struct World {
    pub kms: Arc<Kms>,
    pub key_id: String,
    pub http: String,
    pub https: String,
    /// The root of KMS's certificate, as PEM.
    pub authority: PathBuf,
    /// The signing key's public half, as PKCS #1 in DER.
    pub public_key: PathBuf,
}

impl World {
    pub async fn new(directory: &Path) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(directory)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let kms = Arc::new(Kms::start(listener, "us-east-1", None)?);
        let input = json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"});
        let key = kms.perform("CreateKey", &input)?;
        let key_id = key["KeyMetadata"]["KeyId"].as_str().unwrap_or_default().to_owned();
        kms.perform("CreateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": key_id}))?;
        let public = kms.perform("GetPublicKey", &json!({"KeyId": key_id}))?;
        let spki = decode(&public["PublicKey"]);
        let public_key = directory.join("public-key.der");
        // After the header of 24 bytes that says which algorithm it is for.
        fs::write(&public_key, spki.get(24..).unwrap_or_default())?;
        let authority = directory.join("authority.pem");
        let http = format!("127.0.0.1:{}", listen(&kms, None).await?);
        let https = format!("localhost:{}", listen(&kms, Some(tls(&authority)?)).await?);
        Ok(Self { kms, key_id, http, https, authority, public_key })
    }

    /// Events with a token of its own in each.
    pub fn events(&self, count: usize) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
        (0..count)
            .map(|n| {
                let claims = json!({"scope": "orders:read", "jti": format!("{n:036}")});
                Ok(self.event(&self.token(&self.key_id, "RS256", claims)?))
            })
            .collect()
    }

    /// A request with this token.
    pub fn event(&self, token: &str) -> Vec<u8> {
        let rest = EVENT.split_once("Bearer ").map_or("", |(_, rest)| rest);
        let old = rest.split('"').next().unwrap_or_default();
        EVENT.replace(old, token).into_bytes()
    }

    /// A token of about this length.
    pub fn token_of(
        &self,
        key: &str,
        algorithm: &str,
        length: usize,
    ) -> Result<String, Box<dyn Error>> {
        let claims = |filler: usize| json!({"scope": "orders:read", "x": ["x".repeat(filler)]});
        let least = self.token(key, algorithm, claims(0))?.len();
        self.token(key, algorithm, claims(length.saturating_sub(least) * 3 / 4))
    }

    /// A token of these claims and those that every token has, signed by this key.
    fn token(
        &self,
        key: &str,
        algorithm: &str,
        mut claims: Value,
    ) -> Result<String, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        for (name, value) in [
            ("iss", json!("bench")),
            ("sub", json!("test-user")),
            ("iat", json!(now)),
            ("exp", json!(now + 3600)),
        ] {
            claims[name] = value;
        }
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": key});
        let input = format!(
            "{}.{}",
            url(header.to_string().as_bytes()),
            url(claims.to_string().as_bytes())
        );
        let (bytes, kind) = if input.len() > 4096 {
            (digest(&SHA256, input.as_bytes()).as_ref().to_vec(), "DIGEST")
        } else {
            (input.as_bytes().to_vec(), "RAW")
        };
        let spec = if algorithm == "ES256" { "ECDSA_SHA_256" } else { "RSASSA_PKCS1_V1_5_SHA_256" };
        let answer = self.kms.perform(
            "Sign",
            &json!({
                "KeyId": key,
                "Message": floor::encode(&bytes),
                "MessageType": kind,
                "SigningAlgorithm": spec,
            }),
        )?;
        let signature = decode(&answer["Signature"]);
        let signature = if algorithm == "ES256" { jose(&signature) } else { signature };
        Ok(format!("{input}.{}", url(&signature)))
    }

    /// A key of this kind with this alias.
    pub fn curve(&self, alias: &str, spec: &str) -> Result<String, Box<dyn Error>> {
        let key =
            self.kms.perform("CreateKey", &json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"}))?;
        let key = key["KeyMetadata"]["KeyId"].as_str().unwrap_or_default().to_owned();
        self.kms.perform("CreateAlias", &json!({"AliasName": alias, "TargetKeyId": key}))?;
        Ok(key)
    }

    /// A ring of so many keys, and the key that is farthest from the one that signs.
    pub fn ring(&self, alias: &str, count: usize) -> Result<String, Box<dyn Error>> {
        let mut last = self.curve(alias, "RSA_2048")?;
        for beside in ["-next", "-previous"].into_iter().take(count - 1) {
            last = self.curve(&format!("{alias}{beside}"), "RSA_2048")?;
        }
        Ok(last)
    }

    /// The public half of a key, as SPKI in DER.
    pub fn public_key(&self, key: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let public = self.kms.perform("GetPublicKey", &json!({"KeyId": key}))?;
        Ok(decode(&public["PublicKey"]))
    }

    /// What a function is told, and what the floors and the peers are told beyond it.
    pub fn environment(&self, endpoint: &str) -> Vec<(String, String)> {
        let authority = self.authority.to_str().unwrap_or_default();
        [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "session"),
            ("AWS_ENDPOINT_URL_KMS", endpoint),
            ("SSL_CERT_FILE", authority),
            ("AWS_CA_BUNDLE", authority),
            ("KEY_ALIAS", ALIAS),
            ("TOKEN_ISSUER", "bench"),
            ("KMS", &self.http),
            ("KEY", &self.key_id),
            ("PUBLIC_KEY", self.public_key.to_str().unwrap_or_default()),
            ("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

fn url(bytes: &[u8]) -> String {
    floor::encode(bytes).replace('+', "-").replace('/', "_").replace('=', "")
}

fn decode(base64: &Value) -> Vec<u8> {
    let base64 = base64.as_str().unwrap_or_default();
    floor::decode(&base64.replace('+', "-").replace('/', "_").replace('=', ""))
}

/// An ECDSA signature of P-256 as JOSE has it: both numbers, of 32 bytes each.
fn jose(der: &[u8]) -> Vec<u8> {
    let mut rest = der.get(2..).unwrap_or_default();
    let mut signature = Vec::with_capacity(64);
    for _ in 0..2 {
        let length = usize::from(rest.get(1).copied().unwrap_or_default());
        let number = rest.get(2..2 + length).unwrap_or_default();
        let number = number.get(number.len().saturating_sub(32)..).unwrap_or_default();
        signature.extend(vec![0; 32 - number.len()]);
        signature.extend(number);
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    signature
}

/// TLS with a chain of three as AWS has it: root, intermediate, leaf, all RSA.
fn tls(authority: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let key = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
    let issuer = |name: &str, length: u8| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        params
    };
    let root = CertifiedIssuer::self_signed(issuer("Benchmark Root", 1), key()?)?;
    let middle = CertifiedIssuer::signed_by(issuer("Benchmark M01", 0), key()?, &root)?;
    let leaf_key = key()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names)?.signed_by(&leaf_key, &middle)?;
    fs::write(authority, root.pem())?;
    let chain = vec![leaf.der().clone(), middle.der().clone()];
    let key = PrivateKeyDer::try_from(leaf_key.serialize_der())?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves KMS, with or without TLS and else alike, and tells the port.
async fn listen(kms: &Arc<Kms>, tls: Option<TlsAcceptor>) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (port, kms) = (listener.local_addr()?.port(), Arc::clone(kms));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (tls, kms) = (tls.clone(), Arc::clone(&kms));
            tokio::spawn(async move {
                match tls {
                    None => serve(&kms, stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(&kms, stream).await;
                        }
                    }
                }
            });
        }
    });
    Ok(port)
}

async fn serve(kms: &Kms, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request: Request<Incoming>| async {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let answer: Response<Bytes> = kms.answer(&Request::from_parts(head, body));
        Ok::<_, Infallible>(answer.map(Full::new))
    });
    // A client that goes away has what it wanted.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

pub const ALIAS: &str = "alias/bench";
/// What the issuer is asked for.
pub const ISSUE: &[u8] =
    br#"{"claims":{"sub":"test-user","scope":"orders:read"},"expires_in":900}"#;
const EVENT: &str = include_str!("../../events/authorize-expired.json");
