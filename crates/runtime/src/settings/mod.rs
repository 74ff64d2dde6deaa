//! The settings of the functions, read from environment variables.

mod error;
mod file;
mod lambda;
mod names;
mod suggestions;
pub mod table;

use std::{collections::BTreeMap, env, fmt, str::FromStr, time::Duration};

pub use error::{SettingError, SettingProblem, SettingsError};
pub use file::MAX_FILE_BYTES;
pub use names::Names;
pub use suggestions::closest_setting;
pub use table::{Function, Parameter, SETTINGS, Setting, Values};

/// The environment variables, with the problems found in them. Each method that reads a setting adds a problem instead
/// of failing, so that [`finish`](Self::finish) reports all problems at once. An empty value counts as not set.
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
    /// The environment variables of this process.
    #[must_use]
    pub fn from_environment() -> Self {
        env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect()
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// The value of a required setting. `None` means that a problem was added.
    pub fn required<T: FromStr<Err: fmt::Display>>(&mut self, setting: &Setting) -> Option<T> {
        match self.optional(setting)? {
            Some(value) => Some(value),
            None => self.add_problem(setting.name, SettingProblem::Missing),
        }
    }

    /// The value of a setting or its default. `None` means that a problem was added.
    pub fn get<T: FromStr<Err: fmt::Display>>(&mut self, setting: &Setting) -> Option<T> {
        match (self.optional(setting)?, setting.default) {
            (Some(value), _) => Some(value),
            (None, Some(default)) => self.parse(setting.name, default),
            (None, None) => self.add_problem(setting.name, SettingProblem::Missing),
        }
    }

    /// The value of a setting, or `Some(None)` if it is not set. `None` means that a problem was added.
    pub fn optional<T: FromStr<Err: fmt::Display>>(
        &mut self,
        setting: &Setting,
    ) -> Option<Option<T>> {
        let path = self.value(setting.name).filter(|_| setting.values.may_be_in_a_file());
        match path.as_deref().and_then(file::path) {
            Some(path) => self.read_file(setting, path).map(Some),
            None => self.optional_variable(setting.name),
        }
    }

    /// The value of a setting in this file. `None` means that a problem was added.
    fn read_file<T: FromStr<Err: fmt::Display>>(
        &mut self,
        setting: &Setting,
        path: &str,
    ) -> Option<T> {
        let text = match file::read(path, self.value("LAMBDA_TASK_ROOT").as_deref()) {
            Ok(text) => text,
            Err(problem) => return self.problem(setting, problem),
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(problem) => self.problem(setting, format!("in {path}: {problem}")),
        }
    }

    /// The value of a setting that is a whole number, or its default. `None` means that a problem was added.
    pub fn number(&mut self, setting: &Setting) -> Option<u64> {
        let Values::Number { min, max } = setting.values else {
            return self.problem(setting, "is not a number");
        };
        self.whole_number(setting, min, max, "")
    }

    /// The value of a setting in seconds or days, or its default. `None` means that a problem was added.
    pub fn duration(&mut self, setting: &Setting) -> Option<Duration> {
        let (min, max, unit, seconds) = match setting.values {
            Values::Seconds { min, max } => (min, max, "seconds", 1),
            Values::Days { min, max } => (min, max, "days", 86_400),
            _ => return self.problem(setting, "is not a duration"),
        };
        let number = self.whole_number(setting, min, max, unit)?;
        Some(Duration::from_secs(number.saturating_mul(seconds)))
    }

    fn whole_number(
        &mut self,
        setting: &Setting,
        min: u64,
        max: u64,
        unit: &'static str,
    ) -> Option<u64> {
        let text = self.value(setting.name).or_else(|| setting.default.map(str::to_owned));
        let Some(text) = text else {
            return self.add_problem(setting.name, SettingProblem::Missing);
        };
        let Ok(number) = text.parse::<u64>() else {
            let of_unit = if unit.is_empty() { String::new() } else { format!(" of {unit}") };
            return self.problem(setting, format!("must be a whole number{of_unit}"));
        };
        if !(min..=max).contains(&number) {
            return self.add_problem(setting.name, SettingProblem::OutOfRange { min, max, unit });
        }
        Some(number)
    }

    /// Adds a problem for each variable whose name is almost that of a setting. `None` means that there are some.
    pub fn reject_misspelled(&mut self) -> Option<()> {
        let misspelled: Vec<_> = self
            .values
            .keys()
            .filter_map(|name| Some((name.clone(), closest_setting(name)?)))
            .collect();
        let is_valid = misspelled.is_empty();
        for (name, suggestion) in misspelled {
            self.add_problem::<()>(&name, SettingProblem::Unknown { suggestion });
        }
        is_valid.then_some(())
    }

    /// Adds a problem with a setting: the requirement, such as `must be kms or local`. Returns `None`.
    pub fn problem<T>(&mut self, setting: &Setting, problem: impl fmt::Display) -> Option<T> {
        self.variable_problem(setting.name, problem)
    }

    /// Returns the configuration.
    ///
    /// # Errors
    /// All problems, if there are any.
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
            None => self.add_problem(name, SettingProblem::Missing),
        }
    }

    #[expect(
        clippy::option_option,
        reason = "outer None: a problem was added; inner None: not set"
    )]
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
        self.add_problem(name, SettingProblem::Invalid(problem.to_string()))
    }

    fn add_problem<T>(&mut self, name: &str, problem: SettingProblem) -> Option<T> {
        self.problems.push(SettingError { name: name.to_owned(), problem });
        None
    }

    /// An empty value counts as not set, because a template cannot leave a variable out.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, &str)]) -> Settings {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn all_problems_are_reported_at_once() {
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
    fn value_of_a_rules_setting_may_be_in_a_file() {
        let folder = env::temp_dir().join(format!("countersign-rules-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |text: &str| {
            let file = folder.join("value");
            std::fs::write(&file, text).unwrap();
            format!("file:{}", file.display())
        };
        let read = |setting: &Setting, value: &str| {
            let mut settings =
                settings(&[(setting.name, value), ("LAMBDA_TASK_ROOT", folder.to_str().unwrap())]);
            let read = settings.optional::<Names>(setting);
            settings.finish(read).map_err(|error| error.to_string())
        };
        let value = read(&table::ACCESS_RULES, &file("a,b")).unwrap();
        assert_eq!(value, Some(Names(vec!["a".into(), "b".into()])));
        let path = folder.join("value");
        assert_eq!(
            read(&table::ACCESS_RULES, &file("a,,b")).unwrap_err(),
            format!(
                "ACCESS_RULES in {}: must be names separated by commas, none of them empty",
                path.display()
            )
        );
        assert_eq!(
            read(&table::ACCESS_RULES, &file("")).unwrap_err(),
            format!("ACCESS_RULES names a file without a value: {}", path.display())
        );
        assert_eq!(
            read(&table::TOKEN_AUDIENCE, &file("a")).unwrap(),
            Some(Names(vec![file("a")])),
            "no other setting is read from a file"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn default_of_each_setting_is_valid() {
        let settings = || Settings::from_iter([]);
        for setting in SETTINGS.iter().filter(|setting| setting.default.is_some()) {
            let is_valid = match setting.values {
                Values::Seconds { .. } | Values::Days { .. } => {
                    settings().duration(setting).is_some()
                }
                Values::Number { .. } => settings().number(setting).is_some(),
                Values::OneOf(values) => values.contains(&setting.default.unwrap()),
                _ => true,
            };
            assert!(is_valid && !setting.is_required, "{}", setting.name);
        }
    }
}
