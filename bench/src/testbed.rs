//! The test bed: KMS over HTTP and HTTPS, keys, tokens and events.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use jwt::{Algorithm, Jwk, JwkSet, PublicKey};
use local::kms::Kms;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server::{self, Endpoints, ServerAddress, Service};

/// KMS with a ring, and the files that the programs read.
pub struct Testbed {
    pub kms: Arc<Kms>,
    /// KMS as the functions call it.
    pub service: Arc<Service>,
    pub key_id: String,
    /// KMS without a delay.
    pub immediate: Endpoints,
    /// The same KMS with a delay of [`KMS_DELAY`].
    pub delayed: Endpoints,
    /// The root certificate of KMS as PEM.
    pub authority: PathBuf,
    /// The public key of the signing key (PKCS #1, DER).
    pub public_key: PathBuf,
}

impl Testbed {
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
        // The 24 bytes before it are the algorithm identifier of SPKI.
        fs::write(&public_key, spki.get(24..).unwrap_or_default())?;
        let authority = directory.join("authority.pem");
        let tls = server::tls(&authority)?;
        let key = PublicKey::from_spki(&spki)?;
        let jwk = Jwk {
            key_id: Some(key_id.clone()),
            algorithm: Some(Algorithm::Rs256),
            ..Jwk::new(key)
        };
        let jwk_set = JwkSet::new(vec![jwk]).to_json().to_string();
        let service = Arc::new(Service::new(Arc::clone(&kms), jwk_set));
        let immediate = server::start(&service, &tls, Duration::ZERO).await?;
        let delayed = server::start(&service, &tls, KMS_DELAY).await?;
        Ok(Self { kms, service, key_id, immediate, delayed, authority, public_key })
    }

    /// Events, each with a different token.
    pub fn events(&self, count: usize) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
        (0..count)
            .map(|n| {
                let claims = json!({"scope": "orders:read", "jti": format!("{n:036}")});
                Ok(self.event(&self.token(&self.key_id, "RS256", claims)?))
            })
            .collect()
    }

    /// An event with a token with these claims.
    pub fn event_with_claims(&self, claims: Value) -> Result<Vec<u8>, Box<dyn Error>> {
        Ok(self.event(&self.token(&self.key_id, "RS256", claims)?))
    }

    /// An event with this token.
    pub fn event(&self, token: &str) -> Vec<u8> {
        let rest = EVENT.split_once("Bearer ").map_or("", |(_, rest)| rest);
        let old = rest.split('"').next().unwrap_or_default();
        EVENT.replace(old, token).into_bytes()
    }

    /// A token of approximately this length.
    pub fn token_with_length(
        &self,
        key: &str,
        algorithm: &str,
        length: usize,
    ) -> Result<String, Box<dyn Error>> {
        let claims = |filler: usize| json!({"scope": "orders:read", "x": ["x".repeat(filler)]});
        let least = self.token(key, algorithm, claims(0))?.len();
        self.token(key, algorithm, claims(length.saturating_sub(least) * 3 / 4))
    }

    /// A token with these claims and the registered ones, signed with this key.
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
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let (bytes, kind) = if input.len() > 4096 {
            (digest(&SHA256, input.as_bytes()).as_ref().to_vec(), "DIGEST")
        } else {
            (input.as_bytes().to_vec(), "RAW")
        };
        let spec = if algorithm == "ES256" { "ECDSA_SHA_256" } else { "RSASSA_PKCS1_V1_5_SHA_256" };
        let response = self.kms.perform(
            "Sign",
            &json!({
                "KeyId": key,
                "Message": floor::encode(&bytes),
                "MessageType": kind,
                "SigningAlgorithm": spec,
            }),
        )?;
        let signature = decode(&response["Signature"]);
        let signature = if algorithm == "ES256" { to_jws_signature(&signature) } else { signature };
        Ok(format!("{input}.{}", base64url(&signature)))
    }

    /// Creates a key of this spec with this alias.
    pub fn create_key(&self, alias: &str, spec: &str) -> Result<String, Box<dyn Error>> {
        let key =
            self.kms.perform("CreateKey", &json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"}))?;
        let key = key["KeyMetadata"]["KeyId"].as_str().unwrap_or_default().to_owned();
        self.kms.perform("CreateAlias", &json!({"AliasName": alias, "TargetKeyId": key}))?;
        Ok(key)
    }

    /// Creates a ring of one to three keys and returns the id of the last one.
    pub fn create_ring(&self, alias: &str, count: usize) -> Result<String, Box<dyn Error>> {
        let mut last = self.create_key(alias, "RSA_2048")?;
        for suffix in ["-next", "-previous"].into_iter().take(count - 1) {
            last = self.create_key(&format!("{alias}{suffix}"), "RSA_2048")?;
        }
        Ok(last)
    }

    /// The public key of a key (SPKI, DER).
    pub fn public_key(&self, key: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let public = self.kms.perform("GetPublicKey", &json!({"KeyId": key}))?;
        Ok(decode(&public["PublicKey"]))
    }

    /// The environment variables of a function, as Lambda and the template set them.
    pub fn environment(&self, endpoint: &ServerAddress) -> Vec<(String, String)> {
        let authority = self.authority.to_str().unwrap_or_default();
        [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "session"),
            ("AWS_ENDPOINT_URL_KMS", &*endpoint.url()),
            ("SSL_CERT_FILE", authority),
            ("AWS_CA_BUNDLE", authority),
            ("KEY_ALIAS", ALIAS),
            ("TOKEN_ISSUER", "bench"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The additional environment variables of floors and peers.
    pub fn peer_environment(&self, endpoint: &ServerAddress) -> Vec<(String, String)> {
        [
            ("KMS", &*endpoint.host),
            ("JWKS_URI", &endpoint.jwks_uri()),
            ("KEY", &self.key_id),
            ("PUBLIC_KEY", self.public_key.to_str().unwrap_or_default()),
            ("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

/// Encodes base64url.
fn base64url(bytes: &[u8]) -> String {
    floor::encode(bytes).replace('+', "-").replace('/', "_").replace('=', "")
}

/// Decodes base64.
fn decode(base64: &Value) -> Vec<u8> {
    let base64 = base64.as_str().unwrap_or_default();
    floor::decode(&base64.replace('+', "-").replace('/', "_").replace('=', ""))
}

/// A P-256 signature in the format of JWS: r and s of 32 bytes each (RFC 7518, section 3.4).
fn to_jws_signature(der: &[u8]) -> Vec<u8> {
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

/// The typical response time of KMS within a Region.
pub const KMS_DELAY: Duration = Duration::from_millis(4);
pub const ALIAS: &str = "alias/bench";
/// The event of the issuer.
pub const ISSUE: &[u8] =
    br#"{"claims":{"sub":"test-user","scope":"orders:read"},"expires_in":900}"#;
const EVENT: &str = include_str!("../../events/authorize-expired.json");
