//! The common parts of the Lambda functions, around `lambda_runtime`.
//!
//! | item | purpose |
//! |---|---|
//! | [`function`] | [`run`](function::run) starts a function and serves its invocations with a [`Handler`](function::Handler); start here |
//! | [`Settings`], [`table`] | reads the settings, reports all problems at once, and suggests the correct name for a misspelled one |
//! | [`telemetry`] | one log line for each invocation, which is also its metrics |
//! | [`connect`], [`client_for`], [`operation_time`] | the KMS client: timeouts, retries, endpoint and root certificates |
//! | [`public_trust_store`] | the root certificates for servers outside of AWS |
//! | [`Headers`], [`Texts`] | tolerant reading of the headers in an event |
//!
//! # Example
//!
//! A function that has no ring:
//!
//! ```
//! use countersign_runtime::{
//!     Settings,
//!     function::{Handler, HandlerOutput, Invocation},
//!     table,
//!     telemetry::{LogRecord, Outcome},
//! };
//! use serde_json::json;
//!
//! struct ShowIssuer {
//!     issuer: String,
//! }
//!
//! impl Handler for ShowIssuer {
//!     type Response = serde_json::Value;
//!
//!     async fn handle(&self, _: &str, _: &Invocation) -> HandlerOutput<Self::Response> {
//!         let (outcome, details) = (Outcome::Published, json!({}));
//!         let record = LogRecord { outcome, requests: 1, measured: Vec::new(), details };
//!         HandlerOutput { response: Ok(json!({"issuer": self.issuer})), record }
//!     }
//! }
//!
//! fn read(settings: &mut Settings) -> Option<ShowIssuer> {
//!     Some(ShowIssuer { issuer: settings.required(&table::TOKEN_ISSUER)? })
//! }
//!
//! // On Lambda: `function::run_without_ring(read).await`
//! let mut settings = Settings::from_iter([]).with("TOKEN_ISSUER", "https://issuer.example");
//! let handler = read(&mut settings);
//! assert!(settings.finish(handler).is_ok());
//! ```

mod client;
mod endpoint;
pub mod function;
mod headers;
mod invocation;
mod retry;
mod runtime_api_address;
mod settings;
mod start_failure;
pub mod telemetry;
mod trust_store;

pub use client::{client_for, connect, operation_time, public_trust_store};
pub use headers::{Headers, Texts};
pub use settings::{
    Function, MAX_FILE_BYTES, Names, Parameter, SETTINGS, Setting, SettingError, SettingProblem,
    Settings, SettingsError, Values, closest_setting, table,
};
pub use trust_store::trust_store_from_file;
