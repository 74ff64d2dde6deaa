//! Claims in, token out. Its role may call `kms:Sign`.
//!
//! Start with [`issue`], the whole decision: what is asked for, under which [`Terms`], becomes a
//! token or a [`Refusal`]. [`Event`] and [`Answer`] are the ways in and out: a direct invocation, or
//! `POST /token` behind API Gateway. [`run`] is the Lambda function.

mod answer;
mod event;
mod issue;
mod refusal;
mod request;
mod shell;
mod terms;

pub use answer::Answer;
pub use event::{Door, Event};
pub use issue::{Issued, issue};
pub use refusal::Refusal;
pub use request::TokenRequest;
pub use shell::run;
pub use terms::Terms;
