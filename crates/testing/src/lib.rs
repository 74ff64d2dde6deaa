//! Support for the tests of all crates: fault injection, recorded processes and the audit of logs.
//!
//! | item | use |
//! |---|---|
//! | [`InjectFaults`] | makes a local KMS or its network fail |
//! | [`run_recorded`], [`RecordingReader`] | record the output of processes |
//! | [`log_audit`] | searches the recorded logs for tokens and signatures |
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use countersign_testing::{InjectFaults, InjectedFault};
//! use local::{Request, http, kms::Kms};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let kms = Kms::start(listener, "us-east-1", None)?;
//! kms.inject(InjectedFault::Error("ThrottlingException"));
//! let response = http::send(kms.address(), Request::post("/").body("{}".into())?).await?;
//! assert_eq!(response.status(), 400);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Only tests depend on this crate.

mod fault_injection;
pub mod log_audit;
mod recorded;

pub use fault_injection::{InjectFaults, InjectedFault};
pub use recorded::{RecordingReader, run_recorded};
