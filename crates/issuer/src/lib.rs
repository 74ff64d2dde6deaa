//! The issuer: a Lambda function that signs claims with KMS. Its role may call `kms:Sign` and
//! `kms:GetPublicKey`.
//!
//! | module | contents |
//! |---|---|
//! | `config` | [`IssuerConfig`], read once at the start |
//! | `event`, `proxy` | [`IssuerEvent`]: a direct invocation, or a proxy event of API Gateway |
//! | `request`, `claims` | [`TokenRequest`], checked strictly |
//! | `oauth` | the grants of OAuth: forms ([`AssertionTokenRequest`], [`ClientTokenRequest`]), assertions, and their errors |
//! | `issue` | [`GrantedRequest`], granted by the issuance policy, and [`issue`], the core: completes the claims and signs them |
//! | `document` | [`document`]: the key set, the discovery document and the metadata of the token endpoint |
//! | `response` | [`IssuerResponse`]: the response for either event source |
//! | `error`, `lifetime` | [`IssuanceError`], [`LifetimeError`]: why a request gets no token |
//! | `limits` | the sizes of requests, claims and tokens |
//! | `log_record` | the log line of an invocation |
//! | `handler` | [`run`]: the Lambda function around all of these |
//!
//! Start with [`issue`]. It takes a granted request, the configuration, the time and a
//! [`Signer`](jwt::Signer):
//!
//! ```
//! use std::convert::Infallible;
//!
//! use issuer::{IssuerConfig, TokenRequest, issue};
//! use jwt::{Algorithm, Signed, Signer, UnixTime, UnsignedToken};
//! use policy::issuance::Caller;
//! use runtime::Settings;
//! use uuid::Uuid;
//!
//! /// Signs with a constant in place of KMS.
//! struct FakeSigner;
//!
//! impl Signer for FakeSigner {
//!     type Error = Infallible;
//!
//!     async fn sign(&self, draft: &UnsignedToken) -> Result<Signed, Infallible> {
//!         let token = draft.signing_input(Algorithm::Rs256, "key-1").into_token(b"signature");
//!         Ok(Signed { token, key_id: "key-1".into(), receipt: None })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = Settings::from_iter([])
//!     .with("TOKEN_ISSUER", "https://issuer.example")
//!     .with("TOKEN_AUDIENCE", "orders");
//! let config = IssuerConfig::read(&mut settings);
//! let config = settings.finish(config)?;
//! let request = TokenRequest::read(br#"{"claims": {"sub": "ann"}, "expires_in": 60}"#, &config)?;
//! let granted = request.grant(&Caller::Invoke, &config)?;
//! let now = UnixTime::from_seconds(1_800_000_000);
//! let issued = issue(granted, &config, Uuid::nil(), now, &FakeSigner).await?;
//!
//! assert_eq!(issued.expires_in, 60);
//! assert_eq!(issued.claim_text("aud").as_deref(), Some("orders"));
//! assert_eq!(issued.claim_text("exp").as_deref(), Some("1800000060"));
//! # Ok(())
//! # }
//! ```

mod added_claims;
mod claims;
mod config;
mod document;
mod error;
mod event;
mod handler;
mod issue;
mod issuer_url;
mod lifetime;
mod limits;
mod log_record;
mod oauth;
mod proxy;
mod request;
mod response;

pub use config::{IssuerConfig, Routes, known_issuers};
pub use document::{PublishedDocument, document, own_identity};
pub use error::IssuanceError;
pub use event::{EventSource, IssuerEvent, Operation, RequestFacts};
pub use handler::run;
pub use issue::{GrantedRequest, IssuedToken, issue};
pub use lifetime::LifetimeError;
pub use limits::{MAX_REQUEST_BYTES, MAX_TOKEN_BYTES};
pub use oauth::{
    AssertionTokenRequest, AuthenticationScheme, ClientAssertion, ClientTokenRequest, GrantType,
    OAuthError, PresentedAssertion, TokenRecipient,
};
pub use request::TokenRequest;
pub use response::{Cacheable, IssuerResponse};
