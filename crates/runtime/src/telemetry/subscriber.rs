//! The log lines of `lambda_runtime` and the SDK.

use std::{env, io};

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Writes what `lambda_runtime` and the SDK log as JSON lines: from the level in `AWS_LAMBDA_LOG_LEVEL`, which is
/// Lambda's setting, or in `RUST_LOG`, by default WARN. TRACE would log events, so it is never enabled.
pub(crate) fn init_logging() {
    let setting = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let level = setting("AWS_LAMBDA_LOG_LEVEL").or_else(|| setting("RUST_LOG"));
    // Lambda's level FATAL is above ERROR.
    let level = level.map(|level| level.to_ascii_lowercase().replace("fatal", "error"));
    let level = level.filter(|level| !level.contains("trace"));
    let filter = level.and_then(|level| level.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(io::stdout)
        // A function error has its own log line.
        .with_filter(filter.with_target("lambda_runtime::layers::panic", LevelFilter::OFF));
    // Keeps a subscriber that is set already.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
