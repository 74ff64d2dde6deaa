//! The calendar of keys. Its role may create keys and move aliases.
//!
//! [`Calendar`] is its settings, [`run`] the Lambda function, which does what
//! [`rotation::run`] does.

mod calendar;
mod handler;
mod timing;

pub use calendar::Calendar;
pub use handler::run;
pub use timing::read_waits;
