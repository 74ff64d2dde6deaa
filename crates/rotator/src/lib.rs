//! The calendar of keys. Its role may create keys and move aliases.
//!
//! Start with [`turn`]: one look at the ring, and the step that is due. [`Calendar`] is its
//! settings, [`run`] the Lambda function.

mod calendar;
mod handler;
mod turn;

pub use calendar::Calendar;
pub use handler::run;
pub use turn::{Turn, turn};
