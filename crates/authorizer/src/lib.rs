//! The authorizer: a Lambda function that decides on requests to API Gateway. Its role may call `kms:Verify` and
//! `kms:GetPublicKey`.
//!
//! | module | contents |
//! |---|---|
//! | `config` | [`AuthorizerConfig`], read once at the start |
//! | `event` | [`AuthorizerEvent`]: the members of an event that the decision depends on |
//! | `event_format` | [`EventFormat`]: the kind of API, and what its events and responses can have |
//! | `bearer` | the one bearer token of a request, or a [`Refusal`]; [`CredentialSources`]: where it is |
//! | `decide` | [`decide`], the core: checks the token and the access rules |
//! | `decision` | [`Decision`], with a [`VerifiedToken`] or a [`Refusal`] |
//! | `check` | [`Check`]: the checks of a request, in their order |
//! | `response`, `context` | [`response`]: the policy or simple response for API Gateway, with the claims as context |
//! | `allowed_lines` | which allowed requests have a log line |
//! | `handler` | [`run`]: the Lambda function around all of these |
//!
//! Start with [`decide`]. It takes an event, the configuration, the time and a [`Verifier`](jwt::Verifier):
//!
//! ```
//! use std::convert::Infallible;
//!
//! use authorizer::{AuthorizerConfig, AuthorizerEvent, Decision, Refusal, decide, response};
//! use jwt::{Rejection, SignedParts, UnixTime, Verifier};
//! use runtime::Settings;
//!
//! /// Accepts every signature, in place of KMS.
//! struct FakeVerifier;
//!
//! impl Verifier for FakeVerifier {
//!     type Error = Infallible;
//!
//!     async fn verify(&self, _: &SignedParts<'_>) -> Result<Result<(), Rejection>, Infallible> {
//!         Ok(Ok(()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = Settings::from_iter([])
//!     .with("TOKEN_ISSUER", "https://issuer.example")
//!     .with("ACCESS_RULES", r#"[{"route": "GET /whoami", "any": true}]"#);
//! let config = AuthorizerConfig::read(&mut settings);
//! let config = settings.finish(config)?;
//! // The payload of the token is {"iss":"https://issuer.example","exp":1800000060}.
//! let event: AuthorizerEvent = r#"{
//!     "type": "TOKEN",
//!     "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/GET/whoami",
//!     "authorizationToken": "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiZXhwIjoxODAwMDAwMDYwfQ.c2lnbmF0dXJl"
//! }"#
//! .parse()?;
//!
//! let now = UnixTime::from_seconds(1_800_000_000);
//! let decision = decide(&event, &config, now, &FakeVerifier).await?;
//! assert!(matches!(decision, Decision::Allow(_)));
//! let policy = serde_json::to_value(response(&event, &decision, &config)?)?;
//! assert_eq!(policy["policyDocument"]["Statement"][0]["Effect"], "Allow");
//!
//! let later = UnixTime::from_seconds(1_800_000_060);
//! let decision = decide(&event, &config, later, &FakeVerifier).await?;
//! let expired = Refusal::Token(Rejection::Expired { at: later });
//! assert_eq!(decision, expired.into());
//! # Ok(())
//! # }
//! ```
//!
//! # Write your own authorizer
//!
//! A Lambda authorizer for REST APIs: it verifies the token with KMS, applies access rules, and returns an IAM policy.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration, time::SystemTime};
//!
//! use aws_lambda_events::apigw::{
//!     ApiGatewayCustomAuthorizerRequestTypeRequest as Request,
//!     ApiGatewayV2CustomAuthorizerIamPolicyResponse as Response,
//! };
//! use jwt::{UnverifiedToken, Validation};
//! use kms::{Client, Keyring, KmsVerifier, RequestMetrics, Verification};
//! use lambda_runtime::{Error, LambdaEvent, service_fn};
//! use policy::access::{AccessRules, Api, PolicyRequest, Stage, policy};
//!
//! struct Authorizer {
//!     keyring: Arc<Keyring>,
//!     validation: Validation,
//!     rules: AccessRules,
//! }
//!
//! impl Authorizer {
//!     /// API Gateway responds with 401 to the error `Unauthorized`, and with 500 to every other one.
//!     async fn authorize(&self, event: Request) -> Result<Response, Error> {
//!         let header = event.headers.get("authorization").and_then(|value| value.to_str().ok());
//!         let token = header.and_then(|header| header.strip_prefix("Bearer "));
//!         let now = SystemTime::now().into();
//!         let candidate = UnverifiedToken::parse(token.ok_or("Unauthorized")?)
//!             .and_then(|token| token.screen(&self.validation, now))
//!             .map_err(|_| "Unauthorized")?;
//!         let verifier = KmsVerifier {
//!             keyring: &self.keyring,
//!             verification: Verification::Kms,
//!             signature_cache: None,
//!             metrics: &RequestMetrics::default(),
//!         };
//!         // A fault of KMS does not mean that the token is invalid.
//!         let claims = candidate.confirm(&verifier).await?.map_err(|_| "Unauthorized")?;
//!
//!         let (stage, route) = Stage::of_request(event.method_arn.as_deref().unwrap_or_default())?;
//!         let access = self.rules.access(&claims);
//!         access.evaluate_for_policy(Api::Rest);
//!         let reason = self.rules.forbid_reason(&access, &route);
//!         let request = PolicyRequest { api: Api::Rest, stage: &stage, route: &route };
//!         let mut response = Response::default();
//!         response.principal_id = claims.text("sub").map(str::to_owned);
//!         response.policy_document = policy(request, Some((&self.rules, &access.settle())), reason);
//!         Ok(response)
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Error> {
//!     let client = Client::new(&aws_config::load_from_env().await);
//!     let key = "alias/countersign".parse()?;
//!     let keyring = Arc::new(Keyring::new(client, key, None, Duration::from_mins(5)));
//!     let issuer = "https://issuer.example".to_owned();
//!     let validation = Validation::new(Some(issuer), Some(Vec::new()));
//!     let rules = r#"[{"route": "GET /orders/*", "scope": "orders:read"}]"#.parse()?;
//!     let authorizer = Authorizer { keyring, validation, rules };
//!     let handler = |event: LambdaEvent<Request>| authorizer.authorize(event.payload);
//!     lambda_runtime::run(service_fn(handler)).await
//! }
//! ```
//!
//! The packages of these crates are `countersign-jwt`, `countersign-kms` and `countersign-policy`.

mod allowed_lines;
mod bearer;
mod check;
mod config;
mod context;
mod decide;
mod decision;
mod event;
mod event_format;
mod handler;
mod response;

pub use bearer::{CredentialSources, Subprotocol, bearer_token};
pub use check::{Check, Refusal};
pub use config::{AuthorizerConfig, HttpApiResponse};
pub use decide::decide;
pub use decision::{Decision, VerifiedToken};
pub use event::{AuthorizerEvent, CacheScope, MalformedEvent};
pub use event_format::EventFormat;
pub use handler::run;
pub use response::{AuthorizerResponse, ResponseError, response};
