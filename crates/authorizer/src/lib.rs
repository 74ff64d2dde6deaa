//! Request in, decision out. Its role may call `kms:Verify`.
//!
//! Start with [`decide`], the one door of the core. [`Request`] is what API Gateway asks, [`Profile`]
//! what is known beforehand, [`response`] what is answered. [`Rules`] say which routes a token opens.
//! [`run`] is the Lambda function.

mod access;
mod bearer;
mod check;
mod condition;
mod context;
mod cost;
mod decide;
mod evaluation;
mod handler;
mod path;
mod patterns;
mod policy;
mod profile;
mod request;
mod response;
mod route;
mod rule;
mod rules;
mod slips;
mod spelling;
mod table;
mod warning;

pub use access::Access;
pub use check::Check;
pub use condition::ConditionError;
pub use decide::{Decision, ForbidReason, Grant, Refusal, decide};
pub use handler::run;
pub use profile::{HttpApiResponse, Profile, Subprotocol};
pub use request::{Cached, Kind, MalformedEvent, Request, Stage};
pub use response::{Response, Unanswerable, response};
pub use route::{Route, RouteError};
pub use rule::RulesError;
pub use rules::{Explained, Rules};
pub use warning::Warning;
