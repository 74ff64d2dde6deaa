//! JSON lines on standard output, as Lambda's JSON log format has them.

use std::{error::Error, fmt};

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, fmt::layer, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

/// Starts the log of this process: INFO and above.
///
/// The runtime's own lines are left out. It would log every refused request as an error of the
/// function's, and at TRACE the whole event with the token in it.
pub fn start() {
    let lines = layer().json().flatten_event(true).with_target(false).with_current_span(false);
    let ours =
        Targets::new().with_default(Level::INFO).with_target("lambda_runtime", LevelFilter::OFF);
    // A second start in one process keeps the first.
    let _ = registry().with(lines.with_filter(ours)).try_init();
}

/// An error with all its causes, in one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}
