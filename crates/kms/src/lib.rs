//! A ring of AWS KMS keys that signs and verifies JSON Web Tokens.
//!
//! A ring is up to three keys under three aliases: `alias/NAME` is the current key, which signs,
//! `alias/NAME-next` the key that is published and will sign, `alias/NAME-previous` the key that has signed.
//! The private keys never leave KMS.
//!
//! | item | purpose |
//! |---|---|
//! | [`Keyring`] | loads the public keys of a ring with `GetPublicKey`, caches and refreshes them; start here |
//! | [`KmsSigner`] | a [`jwt::Signer`] with KMS Sign |
//! | [`KmsVerifier`] | a [`jwt::Verifier`] with KMS Verify or, without a call for each token, with the public keys |
//! | [`Ring`], [`Key`], [`PublishedRing`] | the loaded keys, and the keys to publish as a JWK Set |
//! | [`KeyName`] | the configured name: alias, key id or ARN |
//! | [`Fault`], [`Cause`] | a failed KMS operation and whether a retry may help; never a statement about a token |
//! | [`SignatureCache`] | remembers valid signatures for a short time |
//! | [`RequestMetrics`], [`Metric`] | the metrics of a request, such as its time in KMS |
//!
//! Requests wait for KMS as long as the [`Client`] allows: set its timeouts and retries.
//!
//! # Sign and verify
//!
//! This program signs and verifies a token with a KMS on the same machine. With AWS, the client is
//! `Client::new(&aws_config::load_from_env().await)`.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use countersign_kms::{Keyring, KmsSigner, KmsVerifier, RequestMetrics, Verification};
//! use jwt::{Signer, UnixTime, UnsignedToken, UnverifiedToken, Validation};
//! use serde_json::{Map, json};
//!
//! # async fn start() -> Result<(local::kms::Kms, countersign_kms::Client), Box<dyn std::error::Error>> {
//! #     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! #     let kms = local::kms::Kms::start(listener, "us-east-1", None)?;
//! #     let input = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
//! #     let key = kms.perform("CreateKey", &input)?["KeyMetadata"]["KeyId"].clone();
//! #     kms.perform("CreateAlias", &json!({"AliasName": "alias/countersign", "TargetKeyId": key}))?;
//! #     let mut settings: runtime::Settings = [
//! #         ("AWS_REGION", "us-east-1".to_owned()),
//! #         ("AWS_ACCESS_KEY_ID", "local".to_owned()),
//! #         ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
//! #         ("AWS_ENDPOINT_URL_KMS", format!("http://{}", kms.address())),
//! #     ]
//! #     .map(|(name, value)| (name.to_owned(), value))
//! #     .into_iter()
//! #     .collect();
//! #     let client = runtime::connect(&mut settings).ok_or("invalid settings")?;
//! #     Ok((kms, client))
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (_kms, client) = start().await?;
//! let refresh_interval = Duration::from_mins(5);
//! let keyring =
//!     Arc::new(Keyring::new(client, "alias/countersign".parse()?, None, refresh_interval));
//! let metrics = RequestMetrics::default();
//!
//! let claims = json!({"iss": "https://issuer.example", "sub": "alice", "exp": 1_900_000_000});
//! let claims: Map<_, _> = serde_json::from_value(claims)?;
//! let signer = KmsSigner { keyring: &keyring, metrics: &metrics, max_token_bytes: None };
//! let signed = signer.sign(&UnsignedToken::new("JWT", &claims)).await?;
//!
//! let validation = Validation::new(Some("https://issuer.example".to_owned()), Some(Vec::new()));
//! let verifier = KmsVerifier {
//!     keyring: &keyring,
//!     verification: Verification::Kms,
//!     signature_cache: None,
//!     metrics: &metrics,
//! };
//! let now = UnixTime::from_seconds(1_800_000_000);
//! let candidate = UnverifiedToken::parse(signed.token.reveal())?.screen(&validation, now)?;
//! // The outer error is a fault of KMS, the inner one the reason of a rejection.
//! let claims = candidate.confirm(&verifier).await??;
//! assert_eq!(claims.text("sub"), Some("alice"));
//! # Ok(())
//! # }
//! ```
//!
//! In this workspace, the crate `jwt` is the package `countersign-jwt`. In another program, name it so in its manifest:
//! `jwt = { package = "countersign-jwt" }`.

mod cached_ring;
mod clock;
mod early_verification;
mod fault;
mod key;
mod key_name;
mod keyring;
mod message;
mod request_metrics;
mod response;
mod ring;
mod signature_cache;
mod signer;
mod verifier;
mod verify_request;

pub use aws_sdk_kms::{Client, types::KeySpec};

pub use cached_ring::PublishedRing;
pub use clock::SuspendAwareInstant;
pub use fault::{Cause, ErrorChain, Fault};
pub use key::Key;
pub use key_name::{InvalidKeyName, KeyName};
pub use keyring::{KEY_SET_MAX_AGE, Keyring, SIGNING_LAG};
pub use message::algorithms;
pub use request_metrics::{Metric, MetricValue, RequestMetrics};
pub use response::key_id;
pub use ring::Ring;
pub use signature_cache::SignatureCache;
pub use signer::KmsSigner;
pub use verifier::{KmsVerifier, UnknownVerification, Verification};
