use std::{
    collections::BTreeMap, env, error::Error, fmt, num::NonZero, ops::RangeInclusive, str::FromStr,
    time::Duration,
};

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::{function::runtime_api, spelling};

/// The environment, read once. Every problem is collected, so that one failed start names them all.
///
/// ```
/// # use countersign_runtime::{Settings, SettingsError};
/// # fn read(mut settings: Settings) -> Result<(String, String), SettingsError> {
/// let (Some(issuer), Some(kind)) = (
///     settings.required("TOKEN_ISSUER"),
///     settings.optional("TOKEN_TYPE", String::from("JWT")),
/// ) else {
///     return Err(settings.refuse());
/// };
/// # Ok((issuer, kind))
/// # }
/// ```
pub struct Settings {
    values: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Settings {
    /// What this process was started with.
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

    /// A setting without which nothing can be done. `None` means that a problem was noted.
    pub fn required<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<T> {
        match self.value(name) {
            Some(text) => self.parse(name, &text),
            None => self.problem(name, "is required"),
        }
    }

    /// A setting with a default. `None` means that there is a value, and a problem with it.
    pub fn optional<T: FromStr<Err: fmt::Display>>(&mut self, name: &str, default: T) -> Option<T> {
        match self.value(name) {
            Some(text) => self.parse(name, &text),
            None => Some(default),
        }
    }

    /// A setting that may be left to the program. `None` means a problem, as above.
    pub fn choice<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<Option<T>> {
        match self.value(name) {
            Some(text) => self.parse(name, &text).map(Some),
            None => Some(None),
        }
    }

    /// A whole number of seconds, with a default. `None` means a problem, as above.
    pub fn seconds(
        &mut self,
        name: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Option<Duration> {
        let Seconds(seconds) = self.optional(name, Seconds(default))?;
        if range.contains(&seconds) {
            return Some(Duration::from_secs(seconds));
        }
        self.problem(name, format!("must be from {} to {} seconds", range.start(), range.end()))
    }

    /// Notes every name that is almost a setting's: whoever gave it believes that it is one. `None`
    /// means that there are some.
    pub fn spelt(&mut self) -> Option<()> {
        let meant =
            |name: &String| Some(format!("{name} is no setting: {}?", spelling::meant(name)?));
        let misspelt: Vec<_> = self.values.keys().filter_map(meant).collect();
        let none = misspelt.is_empty();
        self.problems.extend(misspelt);
        none.then_some(())
    }

    /// Checks the variables that Lambda sets, without which `lambda_runtime` panics, and what all
    /// settings together must not have. `None` means a problem.
    pub(crate) fn lambda(&mut self) -> Option<()> {
        let checks = [
            self.spelt(),
            self.level("AWS_LAMBDA_LOG_LEVEL"),
            self.level("RUST_LOG"),
            self.required::<RuntimeApi>("AWS_LAMBDA_RUNTIME_API").map(|_| ()),
            self.required::<String>("AWS_LAMBDA_FUNCTION_NAME").map(|_| ()),
            self.required::<String>("AWS_LAMBDA_FUNCTION_VERSION").map(|_| ()),
            self.required::<Megabytes>("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").map(|_| ()),
            self.max_concurrency().map(|_| ()),
        ];
        checks.into_iter().collect()
    }

    /// How many invocations the environment serves at once: more than one on Lambda Managed
    /// Instances alone.
    pub(crate) fn max_concurrency(&mut self) -> Option<NonZero<u16>> {
        let Concurrency(number) =
            self.optional("AWS_LAMBDA_MAX_CONCURRENCY", Concurrency(NonZero::<u16>::MIN))?;
        Some(number)
    }

    /// Notes a problem that a single value does not show.
    pub fn problem<T>(&mut self, name: &str, problem: impl fmt::Display) -> Option<T> {
        self.problems.push(format!("{name} {problem}"));
        None
    }

    /// The error that names every problem noted so far.
    #[must_use]
    pub fn refuse(self) -> SettingsError {
        SettingsError(self.problems)
    }

    fn level(&mut self, name: &str) -> Option<()> {
        if self.value(name).is_some_and(|level| enables_trace(&level)) {
            return self.problem(name, "must not be TRACE: events are never logged");
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
            Err(problem) => self.problem(name, problem),
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

/// A whole number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "must be a whole number of seconds")
    }
}

/// Names with commas between them, none of them empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(pub Vec<String>);

impl FromStr for Names {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err("must be names with commas between them, none of them empty");
        }
        Ok(Self(names))
    }
}

/// Every problem with the settings. No value is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub Vec<String>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.join("; "))
    }
}

impl Error for SettingsError {}

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
                    "KEYALIAS is no setting: KEY_ALIAS?".into(),
                    "token_type is no setting: TOKEN_TYPE?".into(),
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
            let found = concurrency.map(NonZero::get);
            let found = found.ok_or_else(|| settings.refuse().to_string());
            assert_eq!(found, expected, "{values:?}");
        }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let values = [("A", "90000"), ("B", "soon"), ("C", ""), ("D", "60")];
        let mut settings = settings(&values);
        assert_eq!(settings.seconds("A", 1, 1..=300), None);
        assert_eq!(settings.seconds("B", 1, 1..=300), None);
        assert_eq!(settings.required::<String>("C"), None);
        assert_eq!(settings.seconds("D", 1, 1..=300), Some(Duration::from_mins(1)));
        assert_eq!(settings.seconds("E", 1, 1..=300), Some(Duration::from_secs(1)));
        assert_eq!(
            settings.refuse().to_string(),
            "A must be from 1 to 300 seconds; B must be a whole number of seconds; C is required"
        );
    }
}
