//! The Lambda function that decides on requests to API Gateway. Its role may call `kms:Verify`.
//!
//! Start with [`decide`], the one door of the core. [`AuthorizerEvent`] is what API Gateway asks, [`AuthorizerConfig`]
//! what is known beforehand, [`response`] what is answered. [`policy::access::AccessRules`] say which routes a token opens.
//! [`run`] is the Lambda function.

mod bearer;
mod check;
mod config;
mod context;
mod decide;
mod event;
mod handler;
mod response;

pub use check::Check;
pub use config::{AuthorizerConfig, HttpApiResponse, Subprotocol};
pub use decide::{Decision, Refusal, VerifiedToken, decide};
pub use event::{AuthorizerEvent, CacheScope, EventFormat, MalformedEvent};
pub use handler::run;
pub use response::{AuthorizerResponse, ResponseError, response};
