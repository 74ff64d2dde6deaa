//! Claims in, token out. Its role may call `kms:Sign`.
//!
//! Start with [`issue`], the whole decision: what is asked for, under which [`IssuerConfig`] and by which
//! [`policy::issuance::IssuancePolicy`], becomes a token or a [`IssuanceError`]. [`IssuerEvent`] and [`IssuerResponse`] are the ways in and out: a
//! direct invocation, or API Gateway's proxy events. [`document`] is what anybody may know. [`run`]
//! is the Lambda function.

mod config;
mod document;
mod error;
mod event;
mod handler;
mod issue;
mod proxy;
mod request;
mod response;

pub use config::IssuerConfig;
pub use document::document;
pub use error::IssuanceError;
pub use event::{EventSource, IssuerEvent, Operation, PublishedDocument};
pub use handler::run;
pub use issue::{IssuedToken, MAX_TOKEN_BYTES, issue};
pub use request::{GrantedRequest, MAX_REQUEST_BYTES, TokenRequest};
pub use response::{Cacheable, IssuerResponse};
