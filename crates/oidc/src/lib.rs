//! Trusted issuers of `OpenID` Connect and OAuth: callers prove their identity with tokens that they already have, and
//! need no secret.
//!
//! | start with | for |
//! |---|---|
//! | [`TrustedIssuers`] | the issuers whose tokens are accepted: the setting `TRUSTED_ISSUERS` |
//! | [`IssuerVerifier`] | assertions of trusted issuers and of clients |
//! | [`HttpClient`], [`metadata_url`], [`read_jwks_uri`] | the keys of an issuer alone |
//!
//! A fault is not a refusal: if the keys of an issuer are not available, an assertion is neither accepted nor refused
//! ([`IssuerFault`]).
//!
//! # Keys
//!
//! Keys come from the entry, from its `jwks_uri`, or from the metadata of the issuer (discovery). No address comes from a
//! token, and no redirect is followed. Fetched keys are cached for ten minutes. They are fetched earlier for a token that
//! names an unknown key, but at most every 30 seconds, and by one request at a time. While they cannot be fetched, the
//! last keys are used, until they are an hour old. All documents of one attempt must arrive within three seconds, with
//! at most 512 KiB each and 100 keys. The caching headers of the provider are ignored.
//!
//! # Verify an assertion
//!
//! ```
//! use countersign_oidc::{
//!     HttpClient, IssuerVerifier, OwnIdentity, ProxyConfig, Purpose, TrustStore, TrustedIssuers,
//! };
//! use jwt::UnixTime;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The key of RFC 8037 appendix A.2 in the entry itself.
//! let issuers: TrustedIssuers = r#"[{
//!     "issuer": "https://ci.example",
//!     "audience": "orders",
//!     "algorithms": "Ed25519",
//!     "jwks": {"keys": [{
//!         "kty": "OKP",
//!         "crv": "Ed25519",
//!         "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
//!         "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
//!     }]}
//! }]"#
//! .parse()?;
//! let own = OwnIdentity {
//!     issuer: "https://issuer.example".into(),
//!     token_endpoint: "https://issuer.example/oauth2/token".into(),
//! };
//! issuers.check_own_issuer(&own.issuer)?;
//! let http = HttpClient::new(TrustStore::default(), ProxyConfig::from_env());
//! let verifier = IssuerVerifier::new(issuers, &own, &http);
//!
//! // {"aud":"orders","exp":1767229200,"iss":"https://ci.example","sub":"repo:acme/app"}
//! let assertion = concat!(
//!     "eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoia1ByS19xbXhWV2FZVkE5d3dCRjZJdW8zdlZ6ejdUeEhDVHdYQnlnclM0",
//!     "ayJ9.eyJhdWQiOiJvcmRlcnMiLCJleHAiOjE3NjcyMjkyMDAsImlzcyI6Imh0dHBzOi8vY2kuZXhhbXBsZSIsInN",
//!     "1YiI6InJlcG86YWNtZS9hcHAifQ.WxoKDF1BJnNcl2PjmYgaQ7yEYXFg6GHnHsihkMkut7YJ809c1JuhJ2z22Qcj",
//!     "SX1ZzfvVc0metUI7aPxJ2266CQ",
//! );
//! // 2026-01-01T00:00:00Z. A program uses `UnixTime::from(SystemTime::now())`.
//! let now = UnixTime::from_seconds(1_767_225_600);
//! // The outer error: the keys are not available. The inner one: the assertion is refused.
//! let verified = verifier.verify(assertion, Purpose::Grant, now).await??;
//! assert_eq!(verified.subject, "repo:acme/app");
//!
//! let hour_later = UnixTime::from_seconds(1_767_229_200);
//! let refused = verifier.verify(assertion, Purpose::Grant, hour_later).await?;
//! assert_eq!(refused.err().map(|error| error.code()), Some("Expired"));
//! # Ok(())
//! # }
//! ```

mod discovery;
mod http_client;
mod issuers;
mod keys;
mod url;
mod verification;

pub use aws_smithy_http_client::{proxy::ProxyConfig, tls::TrustStore};

pub use discovery::{MetadataError, metadata_url, read_jwks_uri};
pub use http_client::{FetchError, FetchLimits, HttpClient};
pub use issuers::{
    ClaimRefusal, EntryError, KeySource, MAX_TRUSTED_ISSUERS, OwnIdentity, RequiredClaim,
    TrustedIssuer, TrustedIssuers, TrustedIssuersError,
};
pub use keys::{IssuerCause, IssuerFault, KeysError, RETRY_AFTER};
pub use url::{ProviderUrl, Transport, UrlError, has_valid_authority};
pub use verification::{AssertionError, AssertionRefusal, IssuerVerifier, Purpose, Verified};
