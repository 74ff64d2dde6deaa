//! What the functions find when they are called: KMS over HTTP and HTTPS, keys, tokens, events.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use local::kms::Kms;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// KMS with one ring, and what else the functions are told.
pub struct World {
    pub kms: Kms,
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
        let kms = Kms::start(TcpListener::bind(("127.0.0.1", 0)).await?, "us-east-1", None)?;
        let input = json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"});
        let key = kms.perform("CreateKey", &input)?;
        let key_id = key["KeyMetadata"]["KeyId"].as_str().unwrap_or_default().to_owned();
        kms.perform("CreateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": key_id}))?;
        let public = kms.perform("GetPublicKey", &json!({"KeyId": key_id}))?;
        let spki = floor::decode(
            &public["PublicKey"]
                .as_str()
                .unwrap_or_default()
                .replace('+', "-")
                .replace('/', "_")
                .replace('=', ""),
        );
        let public_key = directory.join("public-key.der");
        // After the header of 24 bytes that says which algorithm it is for.
        fs::write(&public_key, spki.get(24..).unwrap_or_default())?;
        let authority = directory.join("authority.pem");
        let https = serve_tls(&kms, &authority).await?;
        let http = kms.address().to_string();
        Ok(Self { kms, key_id, http, https, authority, public_key })
    }

    /// A token of these claims, signed by the key that signs.
    pub fn token(&self, claims: &Value) -> Result<String, Box<dyn Error>> {
        let url = |bytes: &[u8]| {
            floor::encode(bytes).replace('+', "-").replace('/', "_").replace('=', "")
        };
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let input = format!(
            "{}.{}",
            url(header.to_string().as_bytes()),
            url(claims.to_string().as_bytes())
        );
        let answer = self.kms.perform(
            "Sign",
            &json!({
                "KeyId": self.key_id,
                "Message": floor::encode(input.as_bytes()),
                "MessageType": "RAW",
                "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
            }),
        )?;
        let signature = answer["Signature"].as_str().unwrap_or_default();
        Ok(format!("{input}.{}", signature.replace('+', "-").replace('/', "_").replace('=', "")))
    }
}

/// HTTPS in front of KMS, with a chain of three as AWS has it: root, intermediate, leaf, all RSA.
async fn serve_tls(kms: &Kms, authority: &Path) -> Result<String, Box<dyn Error>> {
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
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (address, kms) = (listener.local_addr()?, kms.address());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut inner = acceptor.accept(stream).await?;
                let mut outer = TcpStream::connect(kms).await?;
                outer.set_nodelay(true)?;
                copy_bidirectional(&mut inner, &mut outer).await
            });
        }
    });
    Ok(format!("localhost:{}", address.port()))
}

pub const ALIAS: &str = "alias/bench";
