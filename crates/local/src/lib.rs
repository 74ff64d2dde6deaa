//! AWS on one machine: KMS, Lambda and API Gateway, as far as the template needs them.
//!
//! Start with [`Stack`], which runs what a template deploys. Its parts stand alone as well: [`kms`]
//! speaks AWS JSON 1.1 to any client, [`lambda`] runs the real binaries through the Runtime API,
//! and [`gateway`] does with their answers what API Gateway does.
//!
//! [`recording`] can record what the processes write and which tokens they see.
//!
//! No deployed function depends on this crate.

mod faulty_stream;
pub mod gateway;
pub mod http;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod recording;
mod stack;
pub mod template;

pub use hyper::{Method, Request, Response, StatusCode, body::Bytes};

pub use stack::{Options, Stack, StackError};
