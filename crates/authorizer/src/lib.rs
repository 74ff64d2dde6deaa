//! Request in, decision out. Its role may call `kms:Verify`.
//!
//! Start with [`decide`], the one door of the core. [`Request`] is what API Gateway asks,
//! [`response`] what it is answered. [`run`] is the Lambda function.

mod bearer;
mod context;
mod decide;
mod profile;
mod request;
mod response;
mod shell;

pub use decide::{Decision, Refusal, decide};
pub use profile::read_profile;
pub use request::{MalformedEvent, Request, Stage};
pub use response::{Response, response};
pub use shell::run;
