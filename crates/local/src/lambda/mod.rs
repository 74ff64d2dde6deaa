//! A local AWS Lambda: runs the binaries of functions in processes that talk to a Runtime API.
//!
//! Start with [`HostedFunction`]. Each execution environment is one process with its own Runtime API and
//! handles one event at a time.

mod config;
mod error;
mod execution_environment;
mod function;
mod function_logs;
mod runtime_api;

pub use self::{
    config::{Bootstrap, FunctionConfig},
    error::FunctionError,
    function::{HostedFunction, InvocationResult},
    function_logs::{FunctionLogs, LogLine},
};
