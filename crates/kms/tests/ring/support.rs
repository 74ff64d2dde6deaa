//! A local KMS, keyrings and servers with other responses.

use std::{
    io::{Read, Write},
    sync::{Arc, LazyLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_kms::{Client, Keyring, KmsSigner, KmsVerifier, RequestMetrics, Verification};
use jwt::{Algorithm, Rejection, Signer, Token, UnsignedToken, UnverifiedToken, Validation};
use local::kms::Kms;
use runtime::Settings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const ALIAS: &str = "alias/ring";
pub(crate) const NEXT: &str = "alias/ring-next";
pub(crate) const PREVIOUS: &str = "alias/ring-previous";

/// A KMS with one key under the alias.
pub(crate) async fn kms() -> Kms {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    let key = create_key(&kms, "RSA_2048");
    kms.perform("CreateAlias", &json!({"AliasName": ALIAS, "TargetKeyId": key})).unwrap();
    kms
}

pub(crate) fn create_key(kms: &Kms, spec: &str) -> String {
    let key = kms.perform("CreateKey", &json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"}));
    key.unwrap()["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

pub(crate) fn client(endpoint: &str) -> Client {
    let values = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_KMS", endpoint),
    ];
    let mut settings: Settings =
        values.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    runtime::connect(&mut settings).unwrap()
}

pub(crate) fn new_keyring(kms: &Kms, refresh: Duration) -> Arc<Keyring> {
    named_keyring(kms, ALIAS, None, refresh)
}

pub(crate) fn named_keyring(
    kms: &Kms,
    name: &str,
    algorithm: Option<Algorithm>,
    refresh: Duration,
) -> Arc<Keyring> {
    let client = client(&format!("http://{}", kms.address()));
    Arc::new(Keyring::new(client, name.parse().unwrap(), algorithm, refresh))
}

pub(crate) fn signer(keyring: &Arc<Keyring>) -> KmsSigner<'_> {
    KmsSigner { keyring, metrics: &METRICS, max_token_bytes: None }
}

pub(crate) fn verifier(keyring: &Arc<Keyring>) -> KmsVerifier<'_> {
    let verification = Verification::Kms;
    KmsVerifier { keyring, verification, signature_cache: None, metrics: &METRICS }
}

pub(crate) fn local_verifier(keyring: &Arc<Keyring>) -> KmsVerifier<'_> {
    KmsVerifier { verification: Verification::Local, ..verifier(keyring) }
}

pub(crate) static METRICS: LazyLock<RequestMetrics> = LazyLock::new(RequestMetrics::default);

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// Advances the clock of `tokio`.
pub(crate) async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

pub(crate) async fn sign(keyring: &Arc<Keyring>, claims: Value) -> Token {
    let Value::Object(mut claims) = claims else { panic!("an object") };
    claims.insert("iss".into(), "us".into());
    claims.insert("exp".into(), 2000.into());
    let unsigned = UnsignedToken::new("JWT", &claims);
    signer(keyring).sign(&unsigned).await.unwrap().token
}

/// Verifies a token with KMS.
pub(crate) async fn verify_token(keyring: &Arc<Keyring>, token: &str) -> Result<(), Rejection> {
    let validation = Validation::new(Some("us".into()), Some(vec![]));
    let now = jwt::UnixTime::from_seconds(1000);
    let candidate = UnverifiedToken::parse(token)?.screen(&validation, now)?;
    candidate.confirm(&verifier(keyring)).await.unwrap().map(|_| ())
}

/// Adds a next and a previous key to the ring.
pub(crate) fn add_neighbors(kms: &Kms) {
    for suffix in ["-next", "-previous"] {
        let key = create_key(kms, "RSA_2048");
        let alias = json!({"AliasName": format!("{ALIAS}{suffix}"), "TargetKeyId": key});
        kms.perform("CreateAlias", &alias).unwrap();
    }
}

pub(crate) fn move_alias(kms: &Kms, alias: &str, key: &str) {
    kms.perform("UpdateAlias", &json!({"AliasName": alias, "TargetKeyId": key})).unwrap();
}

/// The key's signature over `a.b`.
pub(crate) fn signature(kms: &Kms) -> Vec<u8> {
    let input = json!({
        "KeyId": ALIAS, "Message": STANDARD.encode("a.b"),
        "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
    });
    let output = kms.perform("Sign", &input).unwrap();
    STANDARD.decode(output["Signature"].as_str().unwrap()).unwrap()
}

pub(crate) fn keyring_at(endpoint: &str, name: &str) -> Arc<Keyring> {
    Arc::new(Keyring::new(client(endpoint), name.parse().unwrap(), None, HOUR))
}

/// Starts a server in the place of KMS.
pub(crate) fn serve(respond: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let respond = Arc::new(respond);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let respond = Arc::clone(&respond);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
                // Reads up to a closing brace: no request here has one before its end.
                while !request.ends_with(b"}") {
                    match stream.read(&mut buffer).unwrap() {
                        0 => break,
                        read => request.extend_from_slice(&buffer[..read]),
                    }
                }
                let (status, body) = respond(&String::from_utf8_lossy(&request));
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}");
                // The client may have closed the connection.
                let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
            });
        }
    });
    endpoint
}
