//! The calendar of keys. Its role may create keys and move aliases.
//!
//! [`RotatorConfig`] is its settings, [`run`] the Lambda function, which does what
//! [`rotation::run`] does.

mod config;
mod handler;
mod timing;

pub use config::RotatorConfig;
pub use handler::run;
pub use timing::read_timing;
