//! What the Lambda functions share around `lambda_runtime`.
//!
//! [`function::run`] starts a function: it reads the [`Settings`], connects the KMS client and serves
//! invocations with a [`function::Handler`]. [`telemetry`] writes one log line for each invocation, which is
//! also its metrics.

mod client;
pub mod function;
mod headers;
mod retry;
mod runtime_api;
mod settings;
pub mod telemetry;
mod trust_store;

pub use client::{client_for, connect};
pub use headers::{Headers, Texts};
pub use settings::{
    Function, Names, SETTINGS, Setting, SettingError, SettingProblem, Settings, SettingsError,
    Values, table,
};
