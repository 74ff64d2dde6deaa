//! The calendar of keys. Its role may create keys and move aliases.
//!
//! [`Calendar`] is its settings, [`run`] the Lambda function, which does what
//! [`kms::rotation::run`] does.

mod calendar;
mod handler;

pub use calendar::Calendar;
pub use handler::run;
