//! JSON log lines on standard output, in the form of Lambda's JSON log format. The log line of an invocation is also
//! its metrics, in the embedded metric format of `CloudWatch`.

mod emf;
mod escaping;
mod faults;
mod log_record;
mod subscriber;
mod timestamp;

pub use log_record::{LogRecord, Outcome};

pub(crate) use faults::{StartFailure, log_neighbor_fault};
pub(crate) use subscriber::init_logging;
