//! AWS on one machine: KMS, Lambda and API Gateway, as far as the template needs them.
//!
//! Start with [`Stack`], which runs what a template deploys. Its parts stand alone as well: [`kms`]
//! speaks AWS JSON 1.1 to any client, [`lambda`] runs the real binaries through the Runtime API,
//! and [`gateway`] does with their answers what API Gateway does.
//!
//! What its processes write and which tokens they see is kept by [`evidence`], if it is told to.
//!
//! No deployed function depends on this crate.

pub mod evidence;
pub mod gateway;
pub mod http;
pub mod iam;
pub mod kms;
pub mod lambda;
mod stack;
pub mod template;
mod wire;

pub use hyper::{Method, Request, Response, StatusCode, body::Bytes};

pub use stack::{Options, Stack, StackError};
