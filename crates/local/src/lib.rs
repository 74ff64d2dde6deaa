//! Local KMS, Lambda, API Gateway and IAM, as far as the deployment template needs them.
//!
//! Start with [`Stack`], which runs the resources of a template. Its parts can be used alone:
//!
//! | module | contents |
//! |---|---|
//! | [`kms`] | a KMS that speaks AWS JSON 1.1 over HTTP, with IAM authorization |
//! | [`lambda`] | a host that runs the binaries of functions through the Runtime API |
//! | [`gateway`] | REST, HTTP and WebSocket APIs with routes, authorizers, gateway responses and a policy cache |
//! | [`iam`] | the evaluation of IAM policies |
//! | [`oidc_provider`] | an `OpenID` Connect provider that signs the claims it is given |
//! | [`template`] | the template and its intrinsic functions |
//! | [`http`] | an HTTP client for these services |
//! | [`recording`] | a record of logs, tokens and signatures for the audit of logs |
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use countersign_local::{Request, http, kms::Kms};
//!
//! // Any client that speaks the KMS API can connect.
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let kms = Kms::start(listener, "us-east-1", None)?;
//! let request = Request::post("/")
//!     .header("x-amz-target", "TrentService.ListKeys")
//!     .body("{}".into())?;
//! let response = http::send(kms.address(), request).await?;
//! assert_eq!(response.body(), r#"{"Keys":[],"Truncated":false}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No deployed package contains this crate.

mod account;
mod allowed_hosts;
mod faulty_stream;
pub mod gateway;
pub mod http;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod oidc_provider;
mod partition;
pub mod recording;
mod stack;
pub mod template;

pub use hyper::{Method, Request, Response, StatusCode, body::Bytes};

pub use stack::{ApiTemplate, DeployedRole, Stack, StackError, StackOptions};
