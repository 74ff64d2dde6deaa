//! The settings of the functions: environment variables.

mod error;
mod suggestions;
pub mod table;

use std::{collections::BTreeMap, env, fmt, num::NonZero, str::FromStr, time::Duration};

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::runtime_api::runtime_api;

pub use error::{SettingError, SettingProblem, SettingsError};
pub use table::{Function, SETTINGS, Setting, Values};

/// The environment, read once. Every problem is collected, so that one failed start names them all.
///
/// ```
/// use countersign_runtime::{Settings, SettingsError, table};
///
/// fn read(mut settings: Settings) -> Result<(String, String), SettingsError> {
///     let config = settings.required(&table::TOKEN_ISSUER).zip(settings.get(&table::TOKEN_TYPE));
///     settings.finish(config)
/// }
///
/// let settings: Settings = [("TOKEN_TYPE".to_owned(), "at+jwt".to_owned())].into_iter().collect();
/// let error = read(settings).unwrap_err();
/// assert_eq!(error.to_string(), "TOKEN_ISSUER is required");
/// ```
pub struct Settings {
    values: BTreeMap<String, String>,
    problems: Vec<SettingError>,
}

impl Settings {
    /// The environment of this process.
    #[must_use]
    pub fn from_environment() -> Self {
        env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect()
    }

    /// The same with this setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// The value of a setting that has to be set. `None` means that a problem was noted.
    pub fn required<T: FromStr<Err: fmt::Display>>(&mut self, setting: &Setting) -> Option<T> {
        self.required_variable(setting.name)
    }

    /// The value of a setting, or its default. `None` means that a problem was noted.
    pub fn get<T: FromStr<Err: fmt::Display>>(&mut self, setting: &Setting) -> Option<T> {
        match self.value(setting.name).or_else(|| setting.default.map(str::to_owned)) {
            Some(text) => self.parse(setting.name, &text),
            None => self.note(setting.name, SettingProblem::Missing),
        }
    }

    /// The value of a setting, if it is set. `None` means that a problem was noted.
    pub fn optional<T: FromStr<Err: fmt::Display>>(
        &mut self,
        setting: &Setting,
    ) -> Option<Option<T>> {
        self.optional_variable(setting.name)
    }

    /// The value of a setting in seconds or days, or its default. `None` means that a problem was noted.
    pub fn duration(&mut self, setting: &Setting) -> Option<Duration> {
        let (min, max, unit, seconds) = match setting.values {
            Values::Seconds { min, max } => (min, max, "seconds", 1),
            Values::Days { min, max } => (min, max, "days", 86_400),
            _ => return self.problem(setting, "is not a duration"),
        };
        let text = self.value(setting.name).or_else(|| setting.default.map(str::to_owned));
        let Some(text) = text else { return self.note(setting.name, SettingProblem::Missing) };
        let Ok(number) = text.parse::<u64>() else {
            return self.problem(setting, format!("must be a whole number of {unit}"));
        };
        if !(min..=max).contains(&number) {
            return self.note(setting.name, SettingProblem::OutOfRange { min, max, unit });
        }
        Some(Duration::from_secs(number.saturating_mul(seconds)))
    }

    /// Notes every name that is almost the name of a setting. `None` means that there are some.
    pub fn reject_misspelled(&mut self) -> Option<()> {
        let misspelled: Vec<_> = self
            .values
            .keys()
            .filter_map(|name| Some((name.clone(), suggestions::closest_setting(name)?)))
            .collect();
        let none = misspelled.is_empty();
        for (name, suggestion) in misspelled {
            self.note::<()>(&name, SettingProblem::Unknown { suggestion });
        }
        none.then_some(())
    }

    /// Checks the variables that Lambda sets, without which `lambda_runtime` panics, and what all
    /// settings together must not have. `None` means a problem.
    pub(crate) fn lambda(&mut self) -> Option<()> {
        let checks = [
            self.reject_misspelled(),
            self.level("AWS_LAMBDA_LOG_LEVEL"),
            self.level("RUST_LOG"),
            self.required_variable::<RuntimeApi>("AWS_LAMBDA_RUNTIME_API").map(|_| ()),
            self.required_variable::<String>("AWS_LAMBDA_FUNCTION_NAME").map(|_| ()),
            self.required_variable::<String>("AWS_LAMBDA_FUNCTION_VERSION").map(|_| ()),
            self.required_variable::<Megabytes>("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").map(|_| ()),
            self.max_concurrency().map(|_| ()),
        ];
        checks.into_iter().collect()
    }

    /// How many invocations the environment serves at once: more than one on Lambda Managed
    /// Instances alone.
    pub(crate) fn max_concurrency(&mut self) -> Option<NonZero<u16>> {
        let Concurrency(number) =
            self.variable("AWS_LAMBDA_MAX_CONCURRENCY", Concurrency(NonZero::<u16>::MIN))?;
        Some(number)
    }

    /// Notes a problem with a setting. Returns `None`.
    pub fn problem<T>(&mut self, setting: &Setting, problem: impl fmt::Display) -> Option<T> {
        self.variable_problem(setting.name, problem)
    }

    /// The configuration, if no problem was noted.
    ///
    /// # Errors
    /// Every problem, if there is one.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, SettingsError> {
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(SettingsError(self.problems)),
        }
    }

    pub(crate) fn required_variable<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Option<T> {
        match self.value(name) {
            Some(text) => self.parse(name, &text),
            None => self.note(name, SettingProblem::Missing),
        }
    }

    #[expect(clippy::option_option, reason = "outside: a problem was noted; inside: it is not set")]
    pub(crate) fn optional_variable<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Option<Option<T>> {
        match self.value(name) {
            Some(text) => self.parse(name, &text).map(Some),
            None => Some(None),
        }
    }

    pub(crate) fn variable<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
        default: T,
    ) -> Option<T> {
        Some(self.optional_variable(name)?.unwrap_or(default))
    }

    pub(crate) fn variable_problem<T>(
        &mut self,
        name: &str,
        problem: impl fmt::Display,
    ) -> Option<T> {
        self.note(name, SettingProblem::Invalid(problem.to_string()))
    }

    fn note<T>(&mut self, name: &str, problem: SettingProblem) -> Option<T> {
        self.problems.push(SettingError { name: name.to_owned(), problem });
        None
    }

    fn level(&mut self, name: &str) -> Option<()> {
        if self.value(name).is_some_and(|level| enables_trace(&level)) {
            return self.variable_problem(name, "must not be TRACE: events are never logged");
        }
        Some(())
    }

    /// An empty value is no value: that is how a template leaves one out.
    fn value(&self, name: &str) -> Option<String> {
        self.values.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&mut self, name: &str, text: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(problem) => self.variable_problem(name, problem),
        }
    }
}

impl FromIterator<(String, String)> for Settings {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        Self { values: values.into_iter().collect(), problems: Vec::new() }
    }
}

/// Also by a number, or by a target without a level.
fn enables_trace(level: &str) -> bool {
    let is_trace = |level: LevelFilter| level == LevelFilter::TRACE;
    let targets = level.parse::<Targets>().unwrap_or_default();
    level.to_ascii_lowercase().contains("trace")
        || targets.default_level().is_some_and(is_trace)
        || targets.iter().any(|(_, level)| is_trace(level))
}

struct Concurrency(NonZero<u16>);

impl FromStr for Concurrency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "must be a whole number from 1 to 65535")
    }
}

/// As `lambda_runtime` reads it.
struct Megabytes;

impl FromStr for Megabytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<i32>().map(|_| Self).map_err(|_| "must be a whole number of MB")
    }
}

struct RuntimeApi;

impl FromStr for RuntimeApi {
    type Err = &'static str;

    fn from_str(address: &str) -> Result<Self, Self::Err> {
        runtime_api(address).map(|_| Self).ok_or("must be a host and port, or an http URL")
    }
}

/// Names separated by commas, none of them empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(pub Vec<String>);

impl FromStr for Names {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err("must be names separated by commas, none of them empty");
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, &str)]) -> Settings {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lambda_variables_are_checked_before_the_runtime_needs_them() {
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
                ]
                .join("; ")),
            ),
        ];
        for (values, expected) in rows {
            let mut settings = settings(&valid);
            for (name, value) in &values {
                settings = settings.with(name, *value);
            }
            let concurrency = settings.lambda().and_then(|()| settings.max_concurrency());
            let found = settings.finish(concurrency.map(NonZero::get));
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found, expected, "{values:?}");
        }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let mut settings = settings(&[
            ("CLOCK_LEEWAY_SECONDS", "301"),
            ("KEY_REFRESH_SECONDS", "soon"),
            ("KEY_ALIAS", ""),
            ("TOKEN_LIFETIME_SECONDS", "60"),
            ("ROTATION_DAYS", "0"),
        ]);
        assert_eq!(settings.duration(&table::CLOCK_LEEWAY_SECONDS), None);
        assert_eq!(settings.duration(&table::KEY_REFRESH_SECONDS), None);
        assert_eq!(settings.required::<String>(&table::KEY_ALIAS), None);
        assert_eq!(settings.duration(&table::ROTATION_DAYS), None);
        let minute = Duration::from_mins(1);
        assert_eq!(settings.duration(&table::TOKEN_LIFETIME_SECONDS), Some(minute));
        assert_eq!(settings.duration(&table::TOKEN_LIFETIME_MAX_SECONDS), Some(60 * minute));
        let error = settings.finish(Some(())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds; KEY_REFRESH_SECONDS must be a whole \
             number of seconds; KEY_ALIAS is required; ROTATION_DAYS must be from 1 to 3650 days"
        );
    }

    #[test]
    fn defaults_are_valid() {
        let settings = || Settings::from_iter([]);
        for setting in SETTINGS.iter().filter(|setting| setting.default.is_some()) {
            let is_valid = match setting.values {
                Values::Seconds { .. } | Values::Days { .. } => {
                    settings().duration(setting).is_some()
                }
                Values::OneOf(values) => values.contains(&setting.default.unwrap()),
                _ => true,
            };
            assert!(is_valid && !setting.is_required, "{}", setting.name);
        }
    }
}
