//! The rotator: a Lambda function that rotates the keys of a ring, one step a day. Its role may create keys, move
//! the ring's aliases, and retire the previous key. It may not sign.
//!
//! | module | contents |
//! |---|---|
//! | `config` | [`RotatorConfig`], read once at the start |
//! | `options` | [`read_options`]: how the deployment changes the steps |
//! | `timing` | [`read_timing`]: the waiting times, from the settings that all functions share |
//! | `response` | the response and the log line of a run |
//! | `handler` | [`run`]: the Lambda function, which calls [`rotation::run_once`] once for each event |
//!
//! The core is in [`rotation`]: [`rotation::plan`] decides which step is next and when it is due. Start with the
//! configuration:
//!
//! ```
//! use std::time::Duration;
//!
//! use rotator::RotatorConfig;
//! use runtime::Settings;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let environment = [("KEY_ALIAS", "alias/countersign"), ("ROTATION_DAYS", "90")];
//! let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
//! let mut settings: Settings = environment.into_iter().collect();
//! let config = RotatorConfig::read(&mut settings);
//! let config = settings.finish(config)?;
//!
//! assert_eq!(config.ring.current(), "alias/countersign");
//! assert_eq!(config.rotation.every, Some(Duration::from_hours(24 * 90)));
//! # Ok(())
//! # }
//! ```

mod config;
mod handler;
mod options;
mod response;
mod timing;

pub use config::RotatorConfig;
pub use handler::run;
pub use options::read_options;
pub use timing::read_timing;
