//! The environment variables that Lambda and `lambda_runtime` define.

use std::{num::NonZero, str::FromStr};

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::{Settings, table::STACK_NAME};
use crate::runtime_api_address::runtime_api_address;

impl Settings {
    /// Checks the environment as a whole: no misspelled settings, no log level TRACE, and the variables without which
    /// `lambda_runtime` panics. `None` means that a problem was added.
    pub(crate) fn check_lambda_variables(&mut self) -> Option<()> {
        let checks = [
            self.reject_misspelled(),
            self.check_log_level("AWS_LAMBDA_LOG_LEVEL"),
            self.check_log_level("RUST_LOG"),
            self.required_variable::<RuntimeApi>("AWS_LAMBDA_RUNTIME_API").map(|_| ()),
            self.required_variable::<String>("AWS_LAMBDA_FUNCTION_NAME").map(|_| ()),
            self.required_variable::<String>("AWS_LAMBDA_FUNCTION_VERSION").map(|_| ()),
            self.required_variable::<Megabytes>("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").map(|_| ()),
            self.max_concurrency().map(|_| ()),
            self.optional::<StackName>(&STACK_NAME).map(|_| ()),
        ];
        checks.into_iter().collect()
    }

    /// Whether Lambda starts the environment for a request. In all other environments, no request waits for the start.
    pub(crate) fn is_on_demand(&self) -> bool {
        self.value("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref() == Some("on-demand")
    }

    /// The number of concurrent invocations of the execution environment. It is more than 1 only on Lambda Managed
    /// Instances.
    pub(crate) fn max_concurrency(&mut self) -> Option<NonZero<u16>> {
        let Concurrency(number) =
            self.variable("AWS_LAMBDA_MAX_CONCURRENCY", Concurrency(NonZero::<u16>::MIN))?;
        Some(number)
    }

    fn check_log_level(&mut self, name: &str) -> Option<()> {
        if self.value(name).is_some_and(|level| enables_trace(&level)) {
            return self.variable_problem(name, "must not be TRACE: events are never logged");
        }
        Some(())
    }
}

/// The name of a stack (CloudFormation User Guide, "Stack name"). Metrics with another dimension value could be dropped.
struct StackName;

impl FromStr for StackName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if text.len() <= 128 && text.chars().all(is_allowed) {
            Ok(Self)
        } else {
            Err("must be letters, digits and hyphens, at most 128")
        }
    }
}

/// Whether a log filter enables TRACE: by its name, by its number (5), or by a target without a level.
fn enables_trace(level: &str) -> bool {
    let is_trace = |level: LevelFilter| level == LevelFilter::TRACE;
    let targets = level.parse::<Targets>().unwrap_or_default();
    level.to_ascii_lowercase().contains("trace")
        || targets.default_level().is_some_and(is_trace)
        || targets.iter().any(|(_, level)| is_trace(level))
}

/// The value of `AWS_LAMBDA_MAX_CONCURRENCY`.
struct Concurrency(NonZero<u16>);

impl FromStr for Concurrency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "must be a whole number from 1 to 65535")
    }
}

/// The value of `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, which `lambda_runtime` reads as an `i32`.
struct Megabytes;

impl FromStr for Megabytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<i32>().map(|_| Self).map_err(|_| "must be a whole number of MB")
    }
}

/// The value of `AWS_LAMBDA_RUNTIME_API`.
struct RuntimeApi;

impl FromStr for RuntimeApi {
    type Err = &'static str;

    fn from_str(address: &str) -> Result<Self, Self::Err> {
        runtime_api_address(address).map(|_| Self).ok_or("must be a host and port, or an http URL")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, &str)]) -> Settings {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lambda_variables_are_checked_before_the_runtime_starts() {
        let valid = [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
            ("AWS_LAMBDA_FUNCTION_NAME", "Authorizer"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ];
        let level = |name: &str| format!("{name} must not be TRACE: events are never logged");
        let rows = [
            (vec![("RUST_LOG", "debug"), ("AWS_LAMBDA_LOG_LEVEL", "DEBUG")], Ok(1)),
            (vec![("RUST_LOG", ""), ("AWS_LAMBDA_MAX_CONCURRENCY", "7")], Ok(7)),
            (vec![("AWS_LAMBDA_RUNTIME_API", "http://127.0.0.1:9000/authorizer")], Ok(1)),
            (vec![("RUST_LOG", "trace")], Err(level("RUST_LOG"))),
            (vec![("RUST_LOG", "5")], Err(level("RUST_LOG"))),
            (vec![("RUST_LOG", "lambda_runtime")], Err(level("RUST_LOG"))),
            (vec![("RUST_LOG", "warn,hyper=debug")], Ok(1)),
            (vec![("RUST_LOG", "info,hyper=Trace")], Err(level("RUST_LOG"))),
            (vec![("AWS_LAMBDA_LOG_LEVEL", "TRACE")], Err(level("AWS_LAMBDA_LOG_LEVEL"))),
            (vec![("AWS_LAMBDA_LOG_LEVEL", "trace")], Err(level("AWS_LAMBDA_LOG_LEVEL"))),
            (
                vec![("AWS_LAMBDA_FUNCTION_NAME", "")],
                Err("AWS_LAMBDA_FUNCTION_NAME is required".into()),
            ),
            (
                vec![("AWS_LAMBDA_MAX_CONCURRENCY", "0")],
                Err("AWS_LAMBDA_MAX_CONCURRENCY must be a whole number from 1 to 65535".into()),
            ),
            (
                vec![
                    ("token_type", ""),
                    ("KEYALIAS", "secret"),
                    ("RUST_LOG", "trace"),
                    ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
                    ("AWS_LAMBDA_RUNTIME_API", "/authorizer"),
                    ("STACK_NAME", "my stack"),
                    ("AWS_LAMBDA_FUNCTION_VERSION", ""),
                    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256 MB"),
                ],
                Err([
                    "unknown setting `KEYALIAS`, did you mean `KEY_ALIAS`?".into(),
                    "unknown setting `token_type`, did you mean `TOKEN_TYPE`?".into(),
                    level("AWS_LAMBDA_LOG_LEVEL"),
                    level("RUST_LOG"),
                    "AWS_LAMBDA_RUNTIME_API must be a host and port, or an http URL".into(),
                    "AWS_LAMBDA_FUNCTION_VERSION is required".into(),
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE must be a whole number of MB".into(),
                    "STACK_NAME must be letters, digits and hyphens, at most 128".into(),
                ]
                .join("; ")),
            ),
        ];
        for (values, expected) in rows {
            let mut settings = settings(&valid);
            for (name, value) in &values {
                settings = settings.with(name, *value);
            }
            let concurrency =
                settings.check_lambda_variables().and_then(|()| settings.max_concurrency());
            let found = settings.finish(concurrency.map(NonZero::get));
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found, expected, "{values:?}");
        }
    }
}
