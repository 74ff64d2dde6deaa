//! Claims in, token out. Its role may call `kms:Sign`.
//!
//! Start with [`issue`], the whole decision: what is asked for, under which [`Terms`] and by which
//! [`policy::issuance::IssuancePolicy`], becomes a token or a [`Refusal`]. [`Event`] and [`Answer`] are the ways in and out: a
//! direct invocation, or API Gateway's proxy events. [`document`] is what anybody may know. [`run`]
//! is the Lambda function.

mod answer;
mod document;
mod event;
mod handler;
mod issue;
mod proxy;
mod refusal;
mod request;
mod terms;

pub use answer::{Answer, Cacheable};
pub use document::document;
pub use event::{Ask, Document, Door, Event};
pub use handler::run;
pub use issue::{Issued, MAX_TOKEN_BYTES, issue};
pub use refusal::Refusal;
pub use request::{Grant, MAX_REQUEST_BYTES, TokenRequest};
pub use terms::Terms;
